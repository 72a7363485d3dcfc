"""Refuses links in Markdown files that lead nowhere: `python -m tools.links [FILE ...]`.

Checks files and anchors as GitHub shows them. Sphinx checks the built help pages. Links to other hosts are
not followed.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent

LINK = re.compile(r"(?<!\\)!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2[`~]*\s*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def dead_links(file: Path) -> Iterator[str]:
    """A sentence for each link of the file whose file or anchor does not exist."""
    text = _blank(CODE, _blank(FENCE, file.read_text(encoding="utf-8")))
    for match in LINK.finditer(text):
        target = match[1]
        if SCHEME.match(target):
            continue
        name, _, anchor = target.partition("#")
        path = (file.parent / unquote(name)).resolve() if name else file.resolve()
        where = f"{_shown(file)}:{text.count(chr(10), 0, match.start()) + 1}"
        if not path.exists():
            yield f"{where}: {target}: there is no such file."
        elif anchor and path.suffix == ".md" and anchor not in anchors(path):
            yield f"{where}: {target}: {_shown(path)} has no heading with this anchor."


@cache
def anchors(file: Path) -> frozenset[str]:
    """The anchors that GitHub gives to the headings of a file; a repeated one gets a number."""
    seen: Counter[str] = Counter()
    found = []
    for match in HEADING.finditer(_blank(FENCE, file.read_text(encoding="utf-8"))):
        slug = _slug(match[1])
        found.append(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return frozenset(found)


def _slug(heading: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def _blank(pattern: re.Pattern[str], text: str) -> str:
    """The text with each match replaced by as many line breaks, so that line numbers stay."""
    return pattern.sub(lambda match: "\n" * match[0].count("\n"), text)


def _shown(file: Path) -> str:
    return str(file.resolve().relative_to(ROOT)) if file.resolve().is_relative_to(ROOT) else str(file)


def markdown_files() -> list[Path]:
    docs = (path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)
    cards = (ROOT / "models_ml" / "checkpoints").glob("*/*.md")
    return sorted([*ROOT.glob("*.md"), *docs, *cards])


def check(files: Iterable[Path]) -> list[str]:
    return [sentence for file in files for sentence in dead_links(file)]


def main(arguments: Sequence[str]) -> int:
    sentences = check([Path(argument) for argument in arguments] or markdown_files())
    for sentence in sentences:
        print(sentence)
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
