"""Reading reference spectra in the bounded child process: spectrum and molecule together. No Django."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from annotation.spectra import reading
from models_ml.molecules.standardise import StandardMolecule, standardise
from models_ml.molecules.structure_text import StructureLimits, UnusableStructure
from models_ml.spectra import adducts
from models_ml.spectra.formats import ReadLimits, SpectrumIssue
from models_ml.spectra.spectrum import Spectrum

# Old instruments were half a dalton off. Beyond that structure, adduct and precursor contradict each other.
FARTHEST_DA = 0.6


@dataclass(frozen=True, slots=True)
class Reference:
    """A usable spectrum of a known molecule, and its place in the file."""

    source_index: int
    spectrum: Spectrum
    splash: str
    precursor_mz: float
    adduct: str  # in our notation
    molecule: StandardMolecule


@dataclass(frozen=True, slots=True)
class Unusable:
    """A spectrum that can be no reference: where it stands, what is wrong, how to mend it."""

    position: str
    code: str
    reason: str
    remedy: str
    title: str = ""


Item = Reference | Unusable | reading.Refused


def read(path: Path, limits: ReadLimits, structure_limits: StructureLimits) -> Iterator[Item]:
    """Everything in the file that is a reference or should be one, in order. MS1 scans are passed over."""

    @lru_cache(maxsize=4096)  # the spectra of a compound stand together
    def molecule_of(text: str) -> StandardMolecule | UnusableStructure:
        try:
            return standardise(text, limits=structure_limits)
        except UnusableStructure as refusal:
            return refusal

    for item in reading.read(path, limits):
        if isinstance(item, reading.Refused):
            yield item
        elif isinstance(item, SpectrumIssue) and item.severity == "rejected":
            yield Unusable(item.position, item.code, item.reason, item.remedy, item.title)
        elif isinstance(item, reading.Placed):
            yield _judged(item, molecule_of(item.spectrum.smiles) if item.spectrum.smiles else None)


def _judged(
    placed: reading.Placed, molecule: StandardMolecule | UnusableStructure | None
) -> Reference | Unusable:
    spectrum = placed.spectrum

    def because(code: str, reason: str, remedy: str) -> Unusable:
        return Unusable(f"spectrum {placed.source_index + 1:,}", code, reason, remedy, spectrum.title)

    if molecule is None:
        return because(
            "no_structure", "The record names no structure.", "Add it (SMILES), or leave the record out."
        )
    if isinstance(molecule, UnusableStructure):
        return because(molecule.code, molecule.reason, molecule.remedy)
    if not spectrum.adduct or adducts.normalise(spectrum.adduct) is None:
        return because(
            "no_adduct",
            f"The adduct {spectrum.adduct!r} is not understood."
            if spectrum.adduct
            else "It names no adduct.",
            "Write it like [M+H]+.",
        )
    if spectrum.precursor_mz is None:
        return because("no_precursor", "The record names no precursor m/z.", "Add it (PEPMASS).")
    expected = adducts.precursor_mz(molecule.exact_mass, spectrum.adduct)
    if abs(expected - spectrum.precursor_mz) > FARTHEST_DA:
        return because(
            "mass_mismatch",
            f"{molecule.formula} as {spectrum.adduct} has m/z {expected:.4f}, the record says "
            f"{spectrum.precursor_mz:.4f}.",
            "Correct the structure, the adduct or the precursor.",
        )
    return Reference(
        placed.source_index, spectrum, placed.splash, spectrum.precursor_mz, spectrum.adduct, molecule
    )
