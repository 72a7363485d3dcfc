"""Reads the label by which a file says that several records are one feature."""

from __future__ import annotations

from collections.abc import Mapping

from models_ml.spectra.formats.field_names import field_key, is_null

# Field keys, see `field_names`. The first that has a value wins. BLOCK is written by our readers of formats
# whose blocks hold several records.
LABELS = ("featureid", "clusterid", "alignmentid", "peakid", "block")


def feature_label(metadata: Mapping[str, str]) -> tuple[str, str]:
    """(field name as written, value) of the label. Empty without one."""
    found: dict[str, tuple[str, str]] = {}
    for name, value in metadata.items():
        key = field_key(name)
        if key in LABELS and not is_null(value):
            found.setdefault(key, (name, value.strip()))
    return next((found[key] for key in LABELS if key in found), ("", ""))


def scan_label(metadata: Mapping[str, str]) -> str:
    """The value of SCANS. It is a label only where several records share it, see `features.stated`."""
    for name, value in metadata.items():
        if field_key(name) == "scans" and not is_null(value):
            return value.strip()
    return ""
