"""Names of fields that a reader understands. Files may have others, which are kept as metadata."""

from __future__ import annotations

from models_ml.spectra.formats import feature_label, field_names, fields, precursor_fields
from models_ml.spectra.formats.stated_facts import EXACT_MASS

_LONGEST_NAME = 100
# Field keys, see `field_names`.
KNOWN_FIELDS = frozenset(
    (
        *(name for group in precursor_fields.PRECURSOR_GROUPS for name in group),
        *(name for name, _ in fields.TIME_WITH_UNIT),
        *fields.TITLE,
        *fields.IDENTIFIER,
        *fields.ENERGY,
        *fields.INSTRUMENT,
        *fields.INSTRUMENT_TYPE,
        *fields.LICENSE,
        *field_names.SAMPLE,
        *fields.TIME,
        *feature_label.LABELS,
        *field_names.ADDUCT,
        *field_names.CHARGE,
        *field_names.ION_MODE,
        *field_names.LEVEL,
        *field_names.SMILES,
        *field_names.INCHI,
        *field_names.INCHIKEY,
        *field_names.FORMULA,
        *EXACT_MASS,
        "isolationtargetmz",
        "isolationwindowlower",
        "isolationwindowupper",
        "scans",
        "spectype",
        "splash",
        # Peaks of a JSON record, and their number
        "peaks",
        "peaksjson",
        "mz",
        "intensity",
        "numpeaks",
        "npeaks",
        "peakscount",
    )
)


def is_known(name: str) -> bool:
    """Whether a reader understands a field with this name, in any notation."""
    return len(name) <= _LONGEST_NAME and field_names.field_key(name) in KNOWN_FIELDS
