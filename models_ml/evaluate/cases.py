"""Spectra with their true molecules: read, drawn evenly over compounds, with exchanged or removed peaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models_ml.molecules.standardise import StandardMolecule, identify
from models_ml.spectra.formats import SpectrumIssue, read_spectra
from models_ml.spectra.spectrum import Spectrum

NO_KEYS: NDArray[np.int64] = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A spectrum, its true molecule, and the library molecules that are its candidates."""

    spectrum: Spectrum
    truth: StandardMolecule
    keys: NDArray[np.int64] = field(default_factory=lambda: NO_KEYS)  # ascending; empty: cannot be annotated

    @property
    def compound(self) -> str:
        return self.truth.inchikey_first_block


def read_cases(path: Path, *, limit: int | None, seed: int) -> list[Case]:
    """Spectra with a structure. `limit`: maximum number, drawn evenly over compounds."""
    known: dict[str, StandardMolecule | None] = {}
    cases: list[Case] = []
    for item in tqdm(read_spectra(path), "spectra"):
        if isinstance(item, SpectrumIssue) or not item.smiles:
            continue
        if item.smiles not in known:
            known[item.smiles] = identify(item.smiles)
        truth = known[item.smiles]
        if truth is not None:
            cases.append(Case(item, truth))
    return cases if limit is None else draw_evenly(cases, limit, seed)


def draw_evenly(cases: Sequence[Case], limit: int, seed: int) -> list[Case]:
    """Random spectra in rounds: each round takes one spectrum of every compound that has more."""
    rng = np.random.default_rng(seed)
    rounds: dict[str, int] = {}
    draws: list[tuple[int, int, int]] = []  # (round, position in the permutation, index of the case)
    for position, index in enumerate(rng.permutation(len(cases))):
        compound = cases[index].compound
        rounds[compound] = rounds.get(compound, 0) + 1
        draws.append((rounds[compound], position, int(index)))
    return [cases[index] for _, _, index in sorted(draws)[:limit]]


def exchange_peaks(cases: Sequence[Case], *, tolerance_ppm: float = 10.0) -> tuple[list[Case], int]:
    """The shuffled control: give each spectrum the peaks of a spectrum of another compound.

    The donor has the same adduct and the closest precursor m/z. Returns the cases, and the number of donors
    within the tolerance. What a model still gets right does not come from the peaks.
    """
    exchanged: list[Case] = []
    n_within_tolerance = 0
    precursors = np.array([case.spectrum.precursor_mz or 0.0 for case in cases])
    for case, precursor in zip(cases, precursors, strict=True):
        distance = np.abs(precursors - precursor)
        order = np.argsort(distance, kind="stable")
        donor = next((index for index in order if _can_donate(cases[index], case)), None)
        if donor is None:
            exchanged.append(case)
            continue
        n_within_tolerance += int(distance[donor] <= precursor * tolerance_ppm * 1e-6)
        source = cases[donor].spectrum
        exchanged.append(
            replace(case, spectrum=replace(case.spectrum, mz=source.mz, intensity=source.intensity))
        )
    return exchanged, n_within_tolerance


def remove_peaks(cases: Sequence[Case]) -> list[Case]:
    """The input of the blind twin: each spectrum has a single peak, at its precursor m/z.

    A spectrum without any peak cannot be annotated.
    """
    return [
        replace(
            case,
            spectrum=replace(
                case.spectrum, mz=np.array([case.spectrum.precursor_mz or 1.0]), intensity=np.array([1.0])
            ),
        )
        for case in cases
    ]


def _can_donate(donor: Case, receiver: Case) -> bool:
    return donor.compound != receiver.compound and donor.spectrum.adduct == receiver.spectrum.adduct
