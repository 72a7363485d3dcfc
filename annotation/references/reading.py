"""Read reference spectra, each with its molecule, in the bounded child process. Imports no Django."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from annotation.spectra import reading
from models_ml.molecules.standardise import StandardMolecule, standardise
from models_ml.molecules.structure_text import StructureLimits, UnusableStructure
from models_ml.spectra import adducts, zwitterions
from models_ml.spectra.formats import ReadLimits, SpectrumIssue
from models_ml.spectra.spectrum import Spectrum

# Old instruments were half a dalton off. At a larger error, structure, adduct and precursor contradict.
MAX_ERROR_DA = 0.6
# Repairs of the reader that drop the structure, and the code of a reference that has none left.
_STRUCTURE_DROPPED = {
    "structure_mismatch": "mass_mismatch",
    "structures_differ": "contradiction",
    "formula_differs": "contradiction",
    "several_structures": "contradiction",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """A usable spectrum of a known molecule, and its index in the file."""

    source_index: int
    spectrum: Spectrum
    splash: str
    precursor_mz: float
    adduct: str  # normalised
    molecule: StandardMolecule


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was changed or ignored in the next reference of the file."""

    position: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """A spectrum that cannot be a reference: its position, what is wrong, and how to fix it."""

    position: str
    code: str
    reason: str
    remedy: str
    title: str = ""


Item = Reference | Unusable | Repaired | reading.Refused


def read(path: Path, limits: ReadLimits, structure_limits: StructureLimits) -> Iterator[Item]:
    """The references of the file and the spectra that cannot be references, in order. Skips MS1 scans.

    The repairs of a reference come before it. Those of a spectrum that cannot be a reference are left out.
    """

    @lru_cache(maxsize=4096)  # spectra of one compound are adjacent in a file
    def molecule_of(text: str) -> StandardMolecule | UnusableStructure:
        try:
            return standardise(text, limits=structure_limits)
        except UnusableStructure as refusal:
            return refusal

    mismatch: SpectrumIssue | None = None  # about the structure of the next spectrum
    repairs: list[Repaired] = []  # of the next spectrum
    for item in reading.read(path, limits):
        if isinstance(item, reading.Refused):
            yield item
        elif isinstance(item, SpectrumIssue) and item.severity == "rejected":
            yield Unusable(item.position, item.code, item.reason, item.remedy, item.title)
        elif isinstance(item, SpectrumIssue) and item.code in _STRUCTURE_DROPPED:
            mismatch = item
        elif isinstance(item, SpectrumIssue) and item.severity == "repaired":
            repairs.append(Repaired(item.position, item.code, item.reason))
        elif isinstance(item, reading.UsableSpectrum):
            issue, mismatch = mismatch, None
            of_spectrum, repairs = repairs, []
            if issue:
                of_spectrum.append(Repaired(issue.position, issue.code, issue.reason))
            if issue and not item.spectrum.smiles:
                position = f"spectrum {item.source_index + 1:,}"
                code = _STRUCTURE_DROPPED[issue.code]
                yield Unusable(position, code, issue.reason, issue.remedy, item.spectrum.title)
                continue
            found = _reference(item, molecule_of(item.spectrum.smiles) if item.spectrum.smiles else None)
            if isinstance(found, Reference):
                yield from of_spectrum
            yield found


def _reference(
    usable: reading.UsableSpectrum, molecule: StandardMolecule | UnusableStructure | None
) -> Reference | Unusable:
    spectrum = usable.spectrum

    def unusable(code: str, reason: str, remedy: str) -> Unusable:
        return Unusable(f"spectrum {usable.source_index + 1:,}", code, reason, remedy, spectrum.title)

    if molecule is None:
        return unusable(
            "no_structure", "The record has no structure.", "Add a structure (SMILES), or remove the record."
        )
    if isinstance(molecule, UnusableStructure):
        return unusable(molecule.code, molecule.reason, molecule.remedy)
    if not spectrum.adduct or adducts.normalise(spectrum.adduct) is None:
        return unusable(
            "no_adduct",
            f"The adduct {spectrum.adduct!r} is unknown." if spectrum.adduct else "The record has no adduct.",
            "Write it like [M+H]+.",
        )
    if spectrum.precursor_mz is None:
        return unusable("no_precursor", "The record has no precursor m/z.", "Add it (PEPMASS).")
    adduct = zwitterions.adduct_of(
        molecule.smiles, molecule.exact_mass, spectrum.precursor_mz, spectrum.adduct
    )
    expected = adducts.precursor_mz(molecule.exact_mass, adduct)
    if abs(expected - spectrum.precursor_mz) > MAX_ERROR_DA:
        return unusable(
            "mass_mismatch",
            f"{molecule.formula} as {spectrum.adduct} has m/z {expected:.4f}, but the record states "
            f"{spectrum.precursor_mz:.4f}.",
            "Correct the structure, the adduct or the precursor.",
        )
    return Reference(
        usable.source_index, spectrum, usable.splash, spectrum.precursor_mz, spectrum.adduct, molecule
    )
