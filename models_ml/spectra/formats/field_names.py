"""Field names and empty values, the same for all formats: PRECURSOR_MZ and "precursor m/z" are one name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

_NULLS = frozenset({"", "n/a", "na", "nan", "none", "null", "unknown", "-", "?", "not available"})


# Fields that state one fact. All their values are kept, so that readers see whether they differ.
ADDUCT = ("adduct", "precursortype", "adducttype", "adductionname", "iontype", "ion")
CHARGE = ("charge", "precursorcharge", "chargestate")
ION_MODE = ("ionmode", "polarity", "ionizationmode", "ionisationmode", "ionpolarity", "scanpolarity")
LEVEL = ("mslevel", "mstype", "spectrumtype")
SMILES = ("smiles", "chsmiles")
INCHI = ("inchi", "chiupac")
INCHIKEY = ("inchikey", "inchiaux")
FORMULA = ("formula", "molecularformula", "chformula")
PRECURSOR = ("pepmass", "precursormz", "parentmz")
EXTERNAL_ID = ("externalid",)
SAMPLE = ("sampleid",)
_COMPARED = frozenset(
    (
        *EXTERNAL_ID,
        *SAMPLE,
        *ADDUCT,
        *CHARGE,
        *ION_MODE,
        *LEVEL,
        *SMILES,
        *INCHI,
        *INCHIKEY,
        *FORMULA,
    )
)


@lru_cache(maxsize=8192)
def field_key(name: str) -> str:
    """The name in lower case, letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def index_fields(fields: Mapping[str, str]) -> dict[str, str]:
    """Values by field key, without empty values.

    Of several names with one key the first wins. Fields that state one fact, such as the adduct, keep all
    values, one on each line.
    """
    values: dict[str, str] = {}
    for name, value in fields.items():
        key = field_key(name)
        if is_null(value) and not (key in ION_MODE and value.strip() == "-"):
            continue
        if key in _COMPARED:
            value = value.strip()
            if "\n" in value:
                value = "\n".join(line.strip().strip("\"'") for line in value.split("\n"))
            else:  # nearly all; a third of the time
                value = value.strip("\"'")
            if key in values:
                value = f"{values[key]}\n{value}"
            values[key] = _without_repeats(value)
        else:
            values.setdefault(key, _without_repeats(value.strip()))
    return values


def all_values(values: Mapping[str, str], names: tuple[str, ...]) -> list[str]:
    """The distinct values of all these field keys, in order."""
    found = [values[name] for name in names if name in values]
    if not found:
        return []
    lines = dict.fromkeys("\n".join(found).split("\n")) if len(found) > 1 or "\n" in found[0] else found
    return [line for line in lines if line == "-" or not is_null(line)]


def is_compared(name: str) -> bool:
    """Whether a field states a fact of which two values are compared: of the ion or of the molecule."""
    key = field_key(name)
    return key in _COMPARED or key in PRECURSOR


def is_null(value: str) -> bool:
    """Whether the value stands for "not stated"."""
    return value.strip().lower() in _NULLS


def _without_repeats(value: str) -> str:
    """A repeated field adds a line to its value. Equal lines count once."""
    return "\n".join(dict.fromkeys(value.split("\n"))) if "\n" in value else value


def first_value(values: Mapping[str, str], names: tuple[str, ...]) -> str:
    """The value of the first of these field keys that has one, or ""."""
    for name in names:
        if name in values:
            return values[name]
    return ""
