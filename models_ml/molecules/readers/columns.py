"""Finds the columns of a table, or properties of a record, with the structure, identifier and name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Normalised column names, preferred first: isomeric SMILES have the stereo that the plain column can lack.
_SMILES = (
    "isomericsmiles", "smilesisomeric", "smiles", "canonicalsmiles", "smilescanonical", "canonicalsmile",
    "smilesstring", "smile", "smi", "structuresmiles", "moleculesmiles", "structure", "molecule", "mol",
)  # fmt: skip
_INCHI = ("inchi", "standardinchi", "stdinchi", "inchistring", "inchicode")
_ID = (
    "id", "identifier", "compoundid", "moleculeid", "molid", "structureid", "sourceid", "externalid",
    "accession", "catalognumber", "catalogid", "catalog", "registrynumber", "chemblid", "hmdbid", "cid",
    "pubchemcid", "dtxsid", "chebiid", "keggid", "dbid", "casrn", "cas", "casnumber", "inchikey",
)  # fmt: skip
_NAME = (
    "name", "compoundname", "preferredname", "prefname", "moleculename", "commonname", "genericname", "title",
    "compound", "iupacname", "drugname", "substance", "label", "synonym", "synonyms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Columns:
    """Column indices; None if the table has no such column."""

    smiles: int | None = None
    inchi: int | None = None
    source_id: int | None = None
    name: int | None = None

    @property
    def has_structure(self) -> bool:
        return self.smiles is not None or self.inchi is not None


def find_columns(header: Sequence[str]) -> Columns:
    """Columns by name. Case, blanks and underscores do not matter."""
    names = [_normalised(name) for name in header]
    smiles = _first(names, _SMILES)
    if smiles is None:
        smiles = next((index for index, name in enumerate(names) if "smiles" in name), None)
    return Columns(smiles, _first(names, _INCHI), _first(names, _ID), _first(names, _NAME))


def is_structure_header(text: str) -> bool:
    """Whether a cell is the heading of a structure column, not a structure."""
    name = _normalised(text)
    return name in _SMILES or name in _INCHI or "smiles" in name


def _normalised(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _first(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)
