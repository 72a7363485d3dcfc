"""Fills a virtual environment with links to the packages of this one, all but those named.

For showing that a part of the project runs where a package is not installed, without downloading the others
again: link_packages.py SITE_PACKAGES EXCLUDED...
"""

from __future__ import annotations

import sys
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name


def main(target: Path, excluded: set[str]) -> None:
    found = {canonicalize_name(each.name): each for each in distributions()}
    if unknown := excluded - set(found):
        sys.exit(f"Not installed here, so leaving them out shows nothing: {', '.join(sorted(unknown))}")
    for name in set(found) - excluded:
        for top in {file.parts[0] for file in found[name].files or [] if file.parts[0] != ".."}:
            link, source = target / top, Path(str(found[name].locate_file(top)))
            if source.exists() and not link.exists():
                link.symlink_to(source)


if __name__ == "__main__":
    main(Path(sys.argv[1]), set(sys.argv[2:]))
