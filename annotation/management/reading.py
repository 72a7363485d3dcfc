"""What commands that read spectra share: how a file is read, and how they count features."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.management import lookups
from annotation.spectra.models import Upload


def add_reading(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--grouping",
        choices=Upload.Grouping.values,
        default=Upload.Grouping.AUTO,
        help="which spectra are one feature. auto: those with one FEATURE_ID, in mzML and mzXML those of one "
        "ion; off: each spectrum alone (default: auto)",
    )

    parser.add_argument(
        "--quantities",
        metavar="FILE",
        help="quantification table of the file (CSV), as feature detection writes it; its columns are kept "
        "with the features",
    )


def read_options(options: dict[str, Any]) -> tuple[Path, Upload.Grouping, Path | None]:
    """The file, its grouping and its quantification table. Raises CommandError for one that is unreadable."""
    table = lookups.readable_file(options["quantities"]) if options["quantities"] else None
    return lookups.readable_file(options["file"]), Upload.Grouping(options["grouping"]), table


def counted(upload: Upload) -> str:
    """As in "40 features from 65 spectra"."""
    if upload.n_features == upload.n_usable:
        return f"{upload.n_usable} spectra"
    return f"{upload.n_features} features from {upload.n_usable} spectra"
