"""What a search for molecules asks, read from one text and its options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from annotation.libraries.bounded_search import bounded, search_slot
from models_ml.isolation import IsolationError
from models_ml.molecules.formula import read_formula
from models_ml.molecules.search_text import (
    SearchKind,
    inchikey_block,
    likely_kinds,
    read_mass,
)
from models_ml.molecules.standardise import StandardMolecule, UnusableStructure, standardise_many
from models_ml.molecules.substructure import InvalidPattern, read_bits

Read = TypeVar("Read")

MAX_TEXT = 1_000
DEFAULT_PPM, MAX_PPM = 10.0, 1_000.0
DEFAULT_SIMILARITY, LEAST_SIMILARITY = 0.5, 0.2
# Reading takes milliseconds. The rest is for the start of the fork server on a busy machine, once.
_READ_S, _READ_CPU_S, _WAIT_S = 15.0, 3, 3.0
_TOO_HARD = "The structure takes too long to read. Try again in a few seconds, or write a smaller one."


class InvalidSearch(ValueError):
    """`errors` has the messages of each wrong parameter by name."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        self.errors = errors
        super().__init__(" ".join(text for texts in errors.values() for text in texts))


@dataclass(frozen=True, slots=True)
class Options:
    """`ppm` and `at_least` apply to the kinds that use them."""

    ppm: float = DEFAULT_PPM
    at_least: float = DEFAULT_SIMILARITY


@dataclass(frozen=True, slots=True)
class NameQuestion:
    kind: ClassVar[SearchKind] = SearchKind.NAME
    text: str

    @property
    def understood(self) -> str:
        return f"Names and IDs with words that begin as in “{self.text}”."


@dataclass(frozen=True, slots=True)
class FormulaQuestion:
    kind: ClassVar[SearchKind] = SearchKind.FORMULA
    formula: str  # without a charge

    @property
    def understood(self) -> str:
        return f"Formula {self.formula}."


@dataclass(frozen=True, slots=True)
class InchikeyQuestion:
    kind: ClassVar[SearchKind] = SearchKind.INCHIKEY
    block: str

    @property
    def understood(self) -> str:
        return f"InChIKey with the first block {self.block}. Stereo and isotopes are not compared."


@dataclass(frozen=True, slots=True)
class MassQuestion:
    kind: ClassVar[SearchKind] = SearchKind.MASS
    mass: float
    ppm: float

    @property
    def tolerance_da(self) -> float:
        return self.mass * self.ppm / 1e6

    @property
    def understood(self) -> str:
        low, high = self.mass - self.tolerance_da, self.mass + self.tolerance_da
        return f"Exact mass {self.mass:.4f} Da ± {self.ppm:g} ppm: {low:.4f} to {high:.4f} Da."


@dataclass(frozen=True, slots=True)
class StructureQuestion:
    kind: ClassVar[SearchKind] = SearchKind.STRUCTURE
    molecule: StandardMolecule

    @property
    def understood(self) -> str:
        return (
            f"The structure {self.molecule.smiles}, InChIKey first block "
            f"{self.molecule.inchikey_first_block}. Salts, stereo and isotopes are not compared."
        )


@dataclass(frozen=True, slots=True)
class SubstructureQuestion:
    kind: ClassVar[SearchKind] = SearchKind.SUBSTRUCTURE
    smarts: str
    bits: str  # of the pattern fingerprint

    @property
    def understood(self) -> str:
        return f"Molecules with the substructure {self.smarts} (SMARTS), lightest first."


@dataclass(frozen=True, slots=True)
class SimilarityQuestion:
    kind: ClassVar[SearchKind] = SearchKind.SIMILARITY
    molecule: StandardMolecule
    at_least: float

    @property
    def understood(self) -> str:
        return (
            f"Molecules with a Tanimoto similarity of at least {self.at_least:g} to "
            f"{self.molecule.smiles}, most similar first."
        )


Question = (
    NameQuestion
    | FormulaQuestion
    | InchikeyQuestion
    | MassQuestion
    | StructureQuestion
    | SubstructureQuestion
    | SimilarityQuestion
)


def read_question(text: str, kind: SearchKind | None, options: Options) -> Question:
    """The question of the kind, or else of the likeliest kind that the text can be.

    No query. Structures are read in a child process. Raises InvalidSearch and SearchBusy.
    """
    if not text:
        raise InvalidSearch({"q": ["Write what to search for."]})
    if len(text) > MAX_TEXT:
        raise InvalidSearch({"q": [f"The text is too long. Write at most {MAX_TEXT:,} characters."]})
    if kind is not None:
        return _READERS[kind](text, options)
    *likely, last = likely_kinds(text)
    for candidate in likely:
        try:
            return _READERS[candidate](text, options)
        except InvalidSearch:
            # Only the spelling fits this kind: "CCCCCO1" is no molecule, but may be an ID.
            continue
    return _READERS[last](text, options)


def _name(text: str, options: Options) -> NameQuestion:
    if not any(character.isalnum() for character in text):
        raise InvalidSearch({"q": ["A name needs a letter or a digit."]})
    return NameQuestion(text)


def _formula(text: str, options: Options) -> FormulaQuestion:
    try:
        return FormulaQuestion(read_formula(text))
    except ValueError as error:
        raise InvalidSearch({"q": [str(error)]}) from None


def _inchikey(text: str, options: Options) -> InchikeyQuestion:
    block = inchikey_block(text.upper())
    if not block:
        example = "RYYVLZVUVIJVGH-UHFFFAOYSA-N"
        raise InvalidSearch(
            {"q": [f"“{text[:50]}” is not an InChIKey. Write it like {example}, or its first 14 letters."]}
        )
    return InchikeyQuestion(block)


def _mass(text: str, options: Options) -> MassQuestion:
    try:
        mass, ppm = read_mass(text)
    except ValueError as error:
        raise InvalidSearch({"q": [str(error)]}) from None
    ppm = options.ppm if ppm is None else ppm
    if not 0 < ppm <= MAX_PPM:
        raise InvalidSearch({"ppm": [f"Write a tolerance above 0 and up to {MAX_PPM:g} ppm."]})
    return MassQuestion(mass, ppm)


def _structure(text: str, options: Options) -> StructureQuestion:
    return StructureQuestion(_molecule(text))


def _substructure(text: str, options: Options) -> SubstructureQuestion:
    return SubstructureQuestion(text, _in_child(_bits, text))


def _similarity(text: str, options: Options) -> SimilarityQuestion:
    return SimilarityQuestion(_molecule(text), options.at_least)


def _molecule(text: str) -> StandardMolecule:
    read = _in_child(_standardise, text)
    if isinstance(read, UnusableStructure):
        raise InvalidSearch({"q": [str(read)]})
    return read


def _standardise(text: str) -> StandardMolecule | UnusableStructure:
    (read,) = bounded(standardise_many, [text], wall_s=_READ_S, cpu_s=_READ_CPU_S)
    return read


def _bits(text: str) -> str:
    (bits,) = bounded(read_bits, text, wall_s=_READ_S, cpu_s=_READ_CPU_S)
    return bits


def _in_child(read: Callable[[str], Read], text: str) -> Read:
    try:
        with search_slot(_WAIT_S):
            return read(text)
    except InvalidPattern as error:
        raise InvalidSearch({"q": [str(error)]}) from None
    except IsolationError:
        raise InvalidSearch({"q": [_TOO_HARD]}) from None


_READERS: dict[SearchKind, Callable[[str, Options], Question]] = {
    SearchKind.NAME: _name,
    SearchKind.FORMULA: _formula,
    SearchKind.INCHIKEY: _inchikey,
    SearchKind.MASS: _mass,
    SearchKind.STRUCTURE: _structure,
    SearchKind.SUBSTRUCTURE: _substructure,
    SearchKind.SIMILARITY: _similarity,
}
