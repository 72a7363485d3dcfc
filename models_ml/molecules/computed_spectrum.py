"""A computed MS/MS spectrum of a structure, for tests and the tiny checkpoint. It is never a measurement."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from models_ml.molecules.cleavage import enumerate_fragments
from models_ml.molecules.formula import exact_mass, hill_formula
from models_ml.molecules.fragment_ions import ion_sign
from models_ml.molecules.ranked_ions import FragmentIons, rank_ions
from models_ml.molecules.structure_text import parse_structure
from models_ml.spectra import adducts
from models_ml.spectra.spectrum import Spectrum

COMPUTED_NOTE = "computed from the structure by GLMR Server's own fragmenter, not measured"
_MIN_INTENSITY = 0.004  # of the base peak
_MAX_PEAKS = 80
_EXPECTED_PEAKS = 12  # of at least 3 % of the base peak, if the structure has that many fragments
_MZ_NOISE_PPM = 1.5


def fragment_spectrum(
    smiles: str, adduct: str = "[M+H]+", collision_energy_ev: float = 30.0, seed: int = 0
) -> Spectrum:
    """A plausible MS/MS spectrum of a structure. The same arguments give the same peaks.

    Ions of low effort are strong, the precursor fades with the energy, and the seed sets a little noise.
    Title, instrument and metadata state that the spectrum is computed. Raises UnusableStructure if the text
    is not a structure and ValueError for an unknown adduct.
    """
    mol = parse_structure(smiles)
    ion = adducts.parse(adduct)
    ions = rank_ions(enumerate_fragments(mol, anion=ion_sign(adduct) < 0), adduct)
    precursor = adducts.precursor_mz(exact_mass(mol), adduct)
    rng = np.random.default_rng([seed, zlib.crc32(f"{smiles} {adduct} {collision_energy_ev}".encode())])
    mz, intensity = _strongest(ions, collision_energy_ev, precursor)
    mz = mz * (1 + rng.normal(0.0, _MZ_NOISE_PPM, len(mz)) * 1e-6)
    intensity = intensity * rng.lognormal(0.0, 0.15, len(mz))
    order = np.argsort(mz)
    return Spectrum(
        mz=mz[order],
        intensity=(intensity / intensity.max() * 999.0)[order],
        precursor_mz=precursor,
        charge=ion.charge,
        adduct=ion.notation,
        ion_mode="positive" if ions.sign > 0 else "negative",
        ms_level=2,
        collision_energy=f"{collision_energy_ev:g} eV",
        collision_energy_ev=collision_energy_ev,
        instrument="none (computed)",
        instrument_type="computed",
        title=f"Computed MS/MS of {smiles}",
        smiles=smiles,
        formula=hill_formula(mol),
        metadata={"COMMENT": COMPUTED_NOTE},
    )


def _strongest(
    ions: FragmentIons, collision_energy_ev: float, precursor: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """m/z and intensity of the strongest peaks, the precursor included."""
    energy = max(collision_energy_ev, 1.0)
    temperature = 0.35 * (energy / 30.0) ** 0.6
    below = (ions.mz < precursor - 0.5) & (ions.mz > 40.0)
    mz, effort = ions.mz[below], ions.effort[below]
    # Ions of one formula form one peak. `ions` start with the lowest effort, so the first of them sets it.
    _, first = np.unique(np.round(mz, 5), return_index=True)
    first = first[np.argsort(effort[first], kind="stable")][: 4 * _MAX_PEAKS]
    mz, effort = mz[first], effort[first]
    easiest = float(effort[0]) if len(effort) else 0.0
    if len(effort) > _EXPECTED_PEAKS:
        # A steroid has few bonds that break easily, so the energy breaks others.
        spread = float(effort[_EXPECTED_PEAKS] - easiest)
        temperature = max(temperature, min(1.5, spread / -np.log(0.03)))
    intensity = np.exp((easiest - effort) / temperature)
    # A larger molecule spreads the energy over more bonds, so more of its precursor survives.
    survival = 2.5 * np.exp(-energy / (8.0 + precursor / 25.0) / max(easiest, 0.5) * 1.1)
    keep = np.argsort(-intensity, kind="stable")[:_MAX_PEAKS]
    keep = keep[intensity[keep] >= _MIN_INTENSITY]
    return np.append(mz[keep], precursor), np.append(intensity[keep], max(survival, 0.01))
