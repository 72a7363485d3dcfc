"""Field names and empty values, the same for all formats: PRECURSOR_MZ and "precursor m/z" are one name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

_NULLS = frozenset({"", "n/a", "na", "nan", "none", "null", "unknown", "-", "?", "not available"})


@lru_cache(maxsize=8192)
def field_key(name: str) -> str:
    """The name in lower case, letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def index_fields(fields: Mapping[str, str]) -> dict[str, str]:
    """Values by field key, without empty values. The first of several names with one key wins."""
    values: dict[str, str] = {}
    for name, value in fields.items():
        if not is_null(value):
            values.setdefault(field_key(name), _without_repeats(value.strip()))
    return values


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
