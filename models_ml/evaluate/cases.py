"""Spectra with their true molecules, drawn evenly over compounds; with peaks exchanged or taken off."""

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
    """A spectrum, its molecule, and the library molecules among which a method has to find it."""

    spectrum: Spectrum
    truth: StandardMolecule
    keys: NDArray[np.int64] = field(default_factory=lambda: NO_KEYS)  # ascending; empty: cannot be asked

    @property
    def compound(self) -> str:
        return self.truth.inchikey_first_block


def read_cases(path: Path, *, limit: int | None, seed: int) -> list[Case]:
    """Spectra that name their structure. With a limit: in rounds, one spectrum of each compound a round."""
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
    rng = np.random.default_rng(seed)
    rounds: dict[str, int] = {}
    turn: list[tuple[int, int, int]] = []
    for place, number in enumerate(rng.permutation(len(cases))):
        compound = cases[number].compound
        rounds[compound] = rounds.get(compound, 0) + 1
        turn.append((rounds[compound], place, int(number)))
    return [cases[number] for _, _, number in sorted(turn)[:limit]]


def exchange_peaks(cases: Sequence[Case], *, tolerance_ppm: float = 10.0) -> tuple[list[Case], int]:
    """Give each spectrum the peaks of another compound's spectrum with the same adduct and nearest precursor.

    Returns the cases and how many donors lay within the tolerance. What a model still gets right then, it
    does not get from the peaks.
    """
    exchanged: list[Case] = []
    near = 0
    precursors = np.array([case.spectrum.precursor_mz or 0.0 for case in cases])
    for case, precursor in zip(cases, precursors, strict=True):
        distance = np.abs(precursors - precursor)
        order = np.argsort(distance, kind="stable")
        donor = next((n for n in order if _may_give(cases[n], case)), None)
        if donor is None:
            exchanged.append(case)
            continue
        near += int(distance[donor] <= precursor * tolerance_ppm * 1e-6)
        given = cases[donor].spectrum
        exchanged.append(
            replace(case, spectrum=replace(case.spectrum, mz=given.mz, intensity=given.intensity))
        )
    return exchanged, near


def take_peaks_off(cases: Sequence[Case]) -> list[Case]:
    """Leave each spectrum one peak, at its precursor: what the blind twin is given, so that it is blind.

    An empty peak list would be refused as a spectrum that cannot be annotated.
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


def _may_give(donor: Case, taker: Case) -> bool:
    return donor.compound != taker.compound and donor.spectrum.adduct == taker.spectrum.adduct
