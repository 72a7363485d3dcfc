"""Spectra of known formulas, as an instrument would measure them.

Most records of MassBank state the theoretical m/z of their precursor, and many hold only peaks that
fit the formula. Both would make any formula ranking look better than it is on a measured run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from models_ml.formulas.elements import Counts, counts_row
from models_ml.formulas.ions import form_ions
from models_ml.molecules.formula import parse_formula
from models_ml.molecules.standardise import StandardMolecule, identify
from models_ml.spectra import adducts
from models_ml.spectra.formats import SpectrumIssue, read_spectra
from models_ml.spectra.spectrum import Spectrum

PRECURSOR_ERROR_PPM = 3.0  # standard deviation of the simulated error. Orbitrap 1 to 3, TOF 2 to 5.
FOREIGN_INTENSITY = 0.3  # of the strongest added peak, relative to the base peak
MAX_FOREIGN_SHARE = 0.5  # added peaks are at most half as many as the spectrum's own


@dataclass(frozen=True, slots=True, eq=False)
class KnownSpectrum:
    """A spectrum whose molecule is known."""

    spectrum: Spectrum  # with precursor m/z and adduct
    compound: str  # first block of the InChIKey
    truth: Counts | None  # (E,); None: the formula has an element or a count beyond ELEMENTS

    @property
    def precursor_mz(self) -> float:
        return float(self.spectrum.precursor_mz or 0.0)

    @property
    def adduct(self) -> str:
        return self.spectrum.adduct or ""


def read_known_spectra(path: Path, *, per_compound: int, seed: int) -> list[KnownSpectrum]:
    """At most `per_compound` random spectra of each molecule, in the order of the file.

    Spectra without a structure, an adduct that is understood or a precursor are left out.
    """
    spectra = list(_known_spectra(path))
    rng = np.random.default_rng(seed)
    n_of: dict[str, int] = {}
    kept = []
    for index in rng.permutation(len(spectra)).tolist():
        compound = spectra[index].compound
        if n_of.get(compound, 0) < per_compound:
            n_of[compound] = n_of.get(compound, 0) + 1
            kept.append(index)
    return [spectra[index] for index in sorted(kept)]


def _known_spectra(path: Path) -> Iterator[KnownSpectrum]:
    molecules: dict[str, StandardMolecule | None] = {}
    for spectrum in tqdm(read_spectra(path), "spectra"):
        if isinstance(spectrum, SpectrumIssue) or not (spectrum.smiles and spectrum.adduct):
            continue
        if spectrum.smiles not in molecules:
            molecules[spectrum.smiles] = identify(spectrum.smiles)
        molecule = molecules[spectrum.smiles]
        if molecule is None or not spectrum.precursor_mz or adducts.normalise(spectrum.adduct) is None:
            continue
        yield known_spectrum(spectrum, molecule)


def known_spectrum(spectrum: Spectrum, molecule: StandardMolecule) -> KnownSpectrum:
    truth = counts_row(parse_formula(molecule.formula))
    return KnownSpectrum(spectrum, molecule.inchikey_first_block, truth)


def with_precursor_error(known: KnownSpectrum, error_ppm: float = PRECURSOR_ERROR_PPM) -> KnownSpectrum:
    """The theoretical precursor with a normal error, which depends on the spectrum's title and peaks only.

    Where the formula has an element beyond ELEMENTS, the error is added to the stated precursor.
    """
    error = np.random.default_rng(_seed(known.spectrum)).normal(0.0, error_ppm)
    stated = known.precursor_mz
    if known.truth is not None:
        ions, possible = form_ions(known.truth[None], known.adduct)
        if possible.all():
            ion = adducts.parse(known.adduct)
            stated = (float(ions.mass[0]) - ion.charge * adducts.ELECTRON_MASS_DA) / abs(ion.charge)
    return replace(known, spectrum=replace(known.spectrum, precursor_mz=stated * (1 + error * 1e-6)))


def with_foreign_peaks(
    known: KnownSpectrum, donors: Sequence[KnownSpectrum], rng: np.random.Generator
) -> KnownSpectrum:
    """Adds peaks of another molecule's spectrum, as a co-isolated ion does."""
    others = [donor for donor in _draw(donors, rng) if donor.compound != known.compound]
    own = known.spectrum
    if not others or not own.n_peaks:
        return known
    donor = others[0].spectrum
    below = np.flatnonzero(donor.mz < known.precursor_mz)
    most = max(1, int(own.n_peaks * MAX_FOREIGN_SHARE))
    if not len(below):
        return known
    added = rng.permutation(below)[: int(rng.integers(1, most + 1))]
    scale = FOREIGN_INTENSITY * float(own.intensity.max()) / max(float(donor.intensity[added].max()), 1e-12)
    return replace(
        known,
        spectrum=replace(
            own,
            mz=np.concatenate([own.mz, donor.mz[added]]),
            intensity=np.concatenate([own.intensity, donor.intensity[added] * scale]),
        ),
    )


def _draw(donors: Sequence[KnownSpectrum], rng: np.random.Generator) -> list[KnownSpectrum]:
    """Five random donors: one of them is nearly always another molecule."""
    return [donors[int(index)] for index in rng.integers(0, len(donors), 5)]


def _seed(spectrum: Spectrum) -> int:
    """The same for every run and process."""
    content = spectrum.title.encode() + spectrum.mz.tobytes()
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "little")
