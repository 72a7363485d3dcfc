"""Finds the columns of a table, or properties of a record, with the structure, identifier and name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models_ml.molecules.structure_text import UnusableStructure, parse_structure

# Normalised column names, preferred first: isomeric SMILES have the stereo that the plain column can lack.
_SMILES = (
    "isomericsmiles", "smilesisomeric", "smiles", "canonicalsmiles", "smilescanonical", "canonicalsmile",
    "smilesstring", "smile", "smi", "structuresmiles", "moleculesmiles", "structure", "molecule", "mol",
)  # fmt: skip
_INCHI = ("inchi", "standardinchi", "stdinchi", "inchistring", "inchicode")
_ID = (
    "id", "identifier", "compoundid", "moleculeid", "molid", "structureid", "sourceid", "externalid",
    "accession", "catalognumber", "catalogid", "catalog", "registrynumber", "chemblid", "hmdbid", "cid",
    "pubchemcid", "dtxsid", "chebiid", "keggid", "dbid", "casrn", "cas", "casnumber", "casnummer", "casnr",
    "nr", "no", "nummer", "kennung", "laufnummer", "artikelnummer", "bestellnummer", "identifiant", "numero",
    "codigo", "reference", "ref", "inchikey",
)  # fmt: skip
_NAME = (
    "name",
    "compoundname",
    "preferredname",
    "prefname",
    "moleculename",
    "commonname",
    "genericname",
    "title",
    "compound",
    "iupacname",
    "drugname",
    "substance",
    "label",
    "synonym",
    "synonyms",
    "bezeichnung",
    "verbindung",
    "substanz",
    "substanzname",
    "stoff",
    "stoffname",
    "trivialname",
    "nom",
    "nomducompose",
    "compose",
    "denomination",
    "nombre",
    "compuesto",
    "nome",
    "composto",
)
_KEY = ("inchikey", "standardinchikey", "stdinchikey")
_FORMULA = ("formula", "molecularformula", "molformula", "mf", "summenformel", "formule", "formulebrute")
_EXACT_MASS = (
    "exactmass", "monoisotopicmass", "monoisotopicmolecularweight", "monoisotopicmw", "exactmolweight",
    "exaktemasse", "monoisotopischemasse", "masseexacte", "massemonoisotopique",
)  # fmt: skip
# What spreadsheets write instead of a value that they cannot compute, also in German and French.
_SPREADSHEET_ERROR = re.compile(
    r"#(?:NAME\?|N/A|VALUE!|REF!|DIV/0!|NUM!|NULL!|SPILL!|NV|WERT!|BEZUG!|ZAHL!|NOM ?\?|VALEUR ?!)(?=\W|$)",
    re.IGNORECASE,
)  # fmt: skip

# Text of the letters of SMILES only, outside brackets: a structure, even if it is a wrong one.
_LIKE_SMILES = re.compile(r"(?:[BCNOPSFIHbcnopslr0-9@+\-()=#$:./\\%*~]|\[[^\[\]\s]*\])+")
# "CHEMBL25", "50-78-2", "DB-00945", "17": one word that ends in a number. Not "180.06", which is a value.
_LIKE_ID = re.compile(r"[A-Za-z]{0,12}[-_:]?\d+(?:[-_:]\w+)*|[A-Z]{14}-[A-Z]{10}-[A-Z]")
_LIKE_NAME = re.compile(r"[A-Za-z]{3}")
_MIN_SHARE_READABLE = 0.8  # of the sampled cells, for a column of structures without a known name
_MIN_SHARE_ALIKE = 0.8  # of the sampled cells, for a column of identifiers or names without a heading


@dataclass(frozen=True, slots=True)
class Columns:
    """Column indices; None if the table has no such column."""

    smiles: int | None = None
    inchi: int | None = None
    source_id: int | None = None
    name: int | None = None
    other_smiles: tuple[int, ...] = ()  # further columns of the same structure, such as the canonical SMILES
    inchikey: int | None = None
    formula: int | None = None
    exact_mass: int | None = None
    unused: tuple[int, ...] = ()  # columns of structures with other names, of which one was chosen

    @property
    def has_structure(self) -> bool:
        return self.smiles is not None or self.inchi is not None


def find_columns(header: Sequence[str]) -> Columns:
    """Columns by name. Case, blanks and underscores do not matter."""
    names = [_normalised(name) for name in header]
    known = [index for wanted in _SMILES for index, name in enumerate(names) if name == wanted]
    similar = [index for index, name in enumerate(names) if "smiles" in name and index not in known]
    smiles = next(iter(known or similar), None)
    return Columns(
        smiles,
        _first(names, _INCHI),
        _first(names, _ID),
        _first(names, _NAME),
        tuple(index for index in known[1:] if "smiles" in names[index]),
        _first(names, _KEY),
        _first(names, _FORMULA),
        _first(names, _EXACT_MASS),
        () if known else tuple(similar[1:]),
    )


def names_structures(cells: Sequence[str]) -> bool:
    """Whether a cell is exactly the usual name of a column of structures."""
    return any(_normalised(cell) in (*_SMILES, *_INCHI) for cell in cells)


def is_spreadsheet_error(text: str) -> bool:
    """Whether a text begins with an error of a spreadsheet, such as "#NAME?"."""
    return bool(_SPREADSHEET_ERROR.match(text))


def is_structure_header(text: str) -> bool:
    """Whether a cell is the heading of a structure column, not a structure."""
    name = _normalised(text)
    return name in _SMILES or name in _INCHI or "smiles" in name


def is_heading(cells: Sequence[str]) -> bool:
    """Whether cells name a column of structures. A product called "smilesol" beside a structure does not."""
    names = [_normalised(cell) for cell in cells]
    if any(name in _SMILES or name in _INCHI for name in names):
        return True
    return any("smiles" in name for name in names) and not any(heavy_atoms(cell) > 4 for cell in cells)


def resembles_structure(text: str) -> bool:
    """Whether a cell is a structure or a misspelt one, such as "C1CC". The heading "drawing" is neither."""
    text = text.split("|")[0].strip()
    return text.startswith("InChI=") or bool(_LIKE_SMILES.fullmatch(text)) or heavy_atoms(text) > 0


def structure_columns(rows: Sequence[Sequence[str]], min_atoms: int = 5) -> Columns:
    """The first columns in which most cells are SMILES, or InChI, for tables with unknown column names.

    Short names such as "CO" or "Sn" are valid SMILES too, so one structure must have `min_atoms`.
    """
    smiles = inchi = None
    for index in range(max(map(len, rows), default=0)):
        cells = [cell for cell in _column(rows, index) if not is_spreadsheet_error(cell)]
        readable = [size for cell in cells if (size := heavy_atoms(cell))]
        if len(readable) < max(1, _MIN_SHARE_READABLE * len(cells)) or max(readable) < min_atoms:
            continue
        if cells[0].startswith("InChI="):
            inchi = index if inchi is None else inchi
        else:
            smiles = index if smiles is None else smiles
    return Columns(smiles, inchi)


def columns_without_heading(rows: Sequence[Sequence[str]], structures: Columns) -> Columns:
    """The columns `structures`, and those of identifiers and names by content, then by position.

    As in SMILES files, the first column that content does not explain is the identifier, the next the name.
    """
    width = max(map(len, rows), default=0)
    columns = {index: _column(rows, index) for index in range(width)}
    free = [
        index
        for index, cells in columns.items()
        if index not in (structures.smiles, structures.inchi)
        and cells
        and not _share(lambda cell: cell.startswith("InChI=") or heavy_atoms(cell) > 4, cells)
    ]
    source_id = next((index for index in free if _is_id_column(columns[index])), None)
    name = next(
        (index for index in free if index != source_id and _share(_LIKE_NAME.search, columns[index])), None
    )
    rest = [
        index for index in free if index not in (source_id, name) and not all(map(_is_number, columns[index]))
    ]
    if source_id is None and rest:
        source_id = rest.pop(0)
    if name is None and rest:
        name = rest.pop(0)
    return Columns(structures.smiles, structures.inchi, source_id, name)


def heavy_atoms(text: str) -> int:
    """Number of heavy atoms of a structure; 0 if the text is none."""
    try:
        return int(parse_structure(text).GetNumHeavyAtoms())
    except UnusableStructure:
        return 0


def _is_id_column(cells: Sequence[str]) -> bool:
    return _share(_LIKE_ID.fullmatch, cells) and len(set(cells)) >= 0.9 * len(cells)


def _share(test: Callable[[str], object], cells: Sequence[str]) -> bool:
    return sum(bool(test(cell)) for cell in cells) >= _MIN_SHARE_ALIKE * len(cells)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _column(rows: Sequence[Sequence[str]], index: int) -> list[str]:
    return [cell for row in rows if index < len(row) and (cell := row[index].strip())]


def _normalised(name: str) -> str:
    plain = name if name.isascii() else unicodedata.normalize("NFKD", name)
    return re.sub(r"[^a-z0-9]", "", plain.lower())


def _first(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)
