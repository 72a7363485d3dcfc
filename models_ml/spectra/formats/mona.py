"""Turns a record of MoNA (MassBank of North America) in JSON into plain names and values.

A record has its peaks as one text, "100.1:20 101.2:100", and most facts in lists of {"name", "value",
"unit"}: about the spectrum in "metaData", about the molecule in "compound".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_OWN = frozenset({"spectrum", "metaData", "compound", "splash", "library", "submitter", "tags", "score"})
_KINDS = {"ms level": "ms_level", "precursor m/z": "precursor_mz", "precursor type": "adduct"}
# Facts of the compound under the names that other formats use. Computed ones must not pass as stated ones.
_OF_COMPOUND = {
    "SMILES": "smiles",
    "molecular formula": "formula",
    "total exact mass": "exact_mass",
    "InChI": "inchi",
    "InChIKey": "inchikey",
}


def is_mona(row: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a record of MoNA."""
    return isinstance(row.get("spectrum"), str) and ("metaData" in row or "compound" in row)


def flat_record(row: Mapping[str, Any]) -> dict[str, Any]:
    """Names and values, and "peaks". Facts that the record repeats stand in one value, one on each line.

    Raises TypeError, ValueError, LookupError or AttributeError for a record of another shape.
    """
    flat: dict[str, list[str]] = {}
    for name, value in row.items():
        if name not in _OWN and not isinstance(value, (dict, list)):
            _add(flat, "external_id" if name == "id" else name, value)
    for fact in _facts(row.get("metaData")):
        _add(flat, _KINDS.get(fact["name"], fact["name"]), _with_unit(fact))
    for compound in _compounds(row.get("compound")):
        for name in [item["name"] for item in compound.get("names") or []][:1]:
            _add(flat, "name", name)
        _add(flat, "inchi", compound.get("inchi"))
        _add(flat, "inchikey", compound.get("inchiKey"))
        for fact in _facts(compound.get("metaData")):
            if fact["name"] in _OF_COMPOUND and not fact.get("computed"):
                _add(flat, _OF_COMPOUND[fact["name"]], fact["value"])
            elif fact["name"] in _OF_COMPOUND:
                flat.setdefault(_OF_COMPOUND[fact["name"]], [_text(fact["value"])])
    library = row.get("library") or {}
    _add(flat, "library", library.get("library") if isinstance(library, dict) else library)
    fields: dict[str, Any] = {name: "\n".join(dict.fromkeys(values)) for name, values in flat.items()}
    return {**fields, "peaks": [_peak(text) for text in row["spectrum"].split()]}


def _compounds(compounds: Any) -> list[Mapping[str, Any]]:
    """The measured molecule. Records list it a second time as the derivative that was searched."""
    found = [compound for compound in compounds or [] if compound.get("kind", "biological") == "biological"]
    return found or list(compounds or [])[:1]


def _facts(facts: Any) -> Iterator[Mapping[str, Any]]:
    for fact in facts or []:
        if not fact.get("hidden") and fact.get("value") not in (None, ""):
            yield fact


def _with_unit(fact: Mapping[str, Any]) -> str:
    unit = fact.get("unit")
    return f"{_text(fact['value'])} {unit}" if unit else _text(fact["value"])


def _add(flat: dict[str, list[str]], name: str, value: Any) -> None:
    if value not in (None, ""):
        flat.setdefault(str(name), []).append(_text(value))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _peak(text: str) -> tuple[float, float]:
    mz, intensity = text.split(":")
    return float(mz), float(intensity)
