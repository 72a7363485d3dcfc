"""What a text in a search field can mean: a name, a formula, an InChIKey, a mass or a structure.

It looks at the spelling only. Whether a SMILES is a molecule needs RDKit, in a child process.
"""

from __future__ import annotations

import re
from enum import StrEnum

from models_ml.molecules.formula import read_formula


class SearchKind(StrEnum):
    NAME = "name"
    FORMULA = "formula"
    INCHIKEY = "inchikey"
    MASS = "mass"
    STRUCTURE = "structure"
    SUBSTRUCTURE = "substructure"
    SIMILARITY = "similarity"


LARGEST_MASS_DA = 100_000.0
_INCHIKEY = re.compile(r"(?:InChIKey=)?([A-Z]{14})(?:-[A-Z]{10}(?:-[A-Z])?)?", re.IGNORECASE)
_MASS = re.compile(r"(\d{1,6}(?:\.\d{0,12})?)(?: ?Da)?(?: ?(?:±|\+/-|\+-)? ?(\d{1,4}(?:\.\d{0,6})?) ?ppm)?")
_SMILES = re.compile(r"(?:\[[^\[\]]{1,60}\]|[A-Za-z*]|[0-9=#$:/\\()%.+@-])+")
_ATOMS = re.compile(r"\[[^\[\]]{1,60}\]|Cl|Br|[BCNOPSFIbcnops*]")
_LETTERS = re.compile(r"[A-Za-z]+")
_UPPER_ATOMS = re.compile(r"(?:Cl|Br|[BCNOPSFI])+")
# What bracket atoms of a query for a substructure have and those of a SMILES never have.
_BRACKETS = re.compile(r"\[[^\[\]]{0,60}\]")
_QUERY_PART = re.compile(r"[;,!&$#]|[XDRxv][0-9]|^\[[aAR]\]$")


def likely_kinds(text: str) -> tuple[SearchKind, ...]:
    """The kinds that the spelling allows, the likeliest first. A name is always the last of them."""
    kinds = []
    if inchikey_block(text):
        kinds.append(SearchKind.INCHIKEY)
    if _MASS.fullmatch(text):
        kinds.append(SearchKind.MASS)
    if text.startswith("InChI="):
        kinds.append(SearchKind.STRUCTURE)
    if _is_usual_formula(text):
        kinds.append(SearchKind.FORMULA)
    if _is_smarts_only(text):
        kinds.append(SearchKind.SUBSTRUCTURE)
    elif _may_be_smiles(text):
        kinds.append(SearchKind.STRUCTURE)
    return (*kinds, SearchKind.NAME)


def inchikey_block(text: str) -> str:
    """The first block of an InChIKey in capitals; "" if the text is none."""
    match = _INCHIKEY.fullmatch(text)
    # 14 small letters are more often a name, such as "chlorothiazide".
    return match[1].upper() if match and (text.isupper() or "-" in text) else ""


def read_mass(text: str) -> tuple[float, float | None]:
    """Da, and ppm if the text states them. Raises ValueError."""
    match = _MASS.fullmatch(text)
    if match is None or not 0 < float(match[1]) <= LARGEST_MASS_DA:
        raise ValueError(
            f"“{text[:50]}” is not a mass. Write the exact mass of the neutral molecule, such as 194.0804."
        )
    return float(match[1]), float(match[2]) if match[2] else None


def _is_usual_formula(text: str) -> bool:
    """Whether it names each element once, and has a number or the usual order: "CCO" is a SMILES."""
    symbols = re.findall(r"[A-Z][a-z]?", text)
    if len(set(symbols)) != len(symbols):
        return False
    try:
        usual = read_formula(text)
    except ValueError:
        return False
    return usual == text or any(character.isdigit() for character in text)


def _is_smarts_only(text: str) -> bool:
    if any(character.isspace() for character in text):
        return False
    return any(_QUERY_PART.search(atom) for atom in _BRACKETS.findall(text))


def _may_be_smiles(text: str) -> bool:
    if not (_SMILES.fullmatch(text) and _ATOMS.search(text)):
        return False
    if _LETTERS.fullmatch(text):  # without digits and bonds, small letters are no rings: "Cocos"
        return bool(_UPPER_ATOMS.fullmatch(text))
    rest = _ATOMS.sub("", text)
    return not any(character.isalpha() for character in rest)
