"""What commands that read spectra share: the choice of the grouping, and how they count features."""

from __future__ import annotations

from argparse import ArgumentParser

from annotation.spectra.models import Upload


def add_grouping(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--grouping",
        choices=Upload.Grouping.values,
        default=Upload.Grouping.AUTO,
        help="which spectra are one feature. auto: those with one FEATURE_ID, in mzML and mzXML those of one "
        "ion; off: each spectrum alone (default: auto)",
    )


def counted(upload: Upload) -> str:
    """As in "40 features from 65 spectra"."""
    if upload.n_features == upload.n_usable:
        return f"{upload.n_usable} spectra"
    return f"{upload.n_features} features from {upload.n_usable} spectra"
