"""A small library for tests and benchmarks: well-known molecules, written from general knowledge.

It includes isomers and molecules of similar mass, so that mass windows hold several candidates.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.spectra.spectrum import Spectrum

WELL_KNOWN_CSV = Path(__file__).with_name("well_known.csv")
_ENERGIES_EV = (20.0, 40.0)


@dataclass(frozen=True, slots=True)
class WellKnownMolecule:
    """A drug, metabolite, natural product or pollutant that many laboratories have measured."""

    name: str
    smiles: str  # in the standard form
    computed_adducts: tuple[str, ...]  # ions of which spectra are computed; empty for most


@cache
def well_known_molecules() -> tuple[WellKnownMolecule, ...]:
    """All molecules, in the order of the file."""
    with WELL_KNOWN_CSV.open(encoding="utf-8") as stream:
        return tuple(
            WellKnownMolecule(row["name"], row["smiles"], tuple(row["demonstration"].split()))
            for row in csv.DictReader(stream)
        )


def computed_spectra() -> list[Spectrum]:
    """Computed spectra of the molecules with such adducts, each ion at two energies.

    The record does not contain the structure, because annotation is to find it.
    """
    return [
        _anonymous(molecule, adduct, energy)
        for molecule in well_known_molecules()
        for adduct in molecule.computed_adducts
        for energy in _ENERGIES_EV
    ]


def _anonymous(molecule: WellKnownMolecule, adduct: str, energy: float) -> Spectrum:
    computed = fragment_spectrum(molecule.smiles, adduct, energy)
    return Spectrum(
        mz=computed.mz,
        intensity=computed.intensity,
        precursor_mz=computed.precursor_mz,
        charge=computed.charge,
        adduct=computed.adduct,
        ion_mode=computed.ion_mode,
        ms_level=computed.ms_level,
        collision_energy=computed.collision_energy,
        collision_energy_ev=computed.collision_energy_ev,
        instrument=computed.instrument,
        instrument_type=computed.instrument_type,
        title=f"{molecule.name} {adduct} {energy:g} eV (computed, not measured)",
        metadata=computed.metadata,
    )
