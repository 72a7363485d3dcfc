"""Field names and empty values, alike in every format: PRECURSOR_MZ and "precursor m/z" are one name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

_NULLS = frozenset({"", "n/a", "na", "nan", "none", "null", "unknown", "-", "?", "not available"})


@lru_cache(maxsize=8192)
def field_key(name: str) -> str:
    """A name in lower case, with nothing but its letters and digits."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def index_fields(fields: Mapping[str, str]) -> dict[str, str]:
    """Values by key, without those that say nothing."""
    values: dict[str, str] = {}
    for name, value in fields.items():
        if value.strip().lower() not in _NULLS:
            values.setdefault(field_key(name), value.strip())
    return values


def first_value(values: Mapping[str, str], names: tuple[str, ...]) -> str:
    for name in names:
        if name in values:
            return values[name]
    return ""
