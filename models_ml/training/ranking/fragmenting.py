"""Fragments the candidates of training lists, for the channels that learn from fragments. Needs RDKit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models_ml.evidence.fragment_matches import Explained
from models_ml.evidence.fragments import explain_candidates, strongest_peaks
from models_ml.evidence.ion_shares import PairIons, SpectrumPeaks
from models_ml.evidence.predicted_peaks import candidate_ions, spectrum_peaks
from models_ml.molecules.standardise import identify
from models_ml.training.ranking.data import ADDUCT_NOTATION, CandidateList, TrainingData


@dataclass(frozen=True, slots=True, eq=False)
class ListIons:
    """One spectrum with the ions of its candidates: the input of the scorer of predicted peaks."""

    spectrum: SpectrumPeaks
    pairs: Sequence[PairIons]
    truth: int  # index of the right candidate in `pairs`


class Fragmenter:
    """Computes for a list what the fragments of each candidate explain, and which ions it can give.

    Call both methods for a list before the next list, and take lists in order of mass. A molecule is then
    fragmented once for both results and for all spectra of similar mass.
    """

    def __init__(self, data: TrainingData) -> None:
        self.data = data
        self.smiles = data.library.smiles
        self.formulas: dict[int, str] = {}

    def explain(self, candidate_list: CandidateList) -> list[Explained]:
        features = self.data.spectra.features(candidate_list.spectrum)
        return explain_candidates(
            strongest_peaks(features.mz, features.intensity, features.precursor_mz),
            [self.smiles[row] for row in candidate_list.candidates],
            [self._formula(int(row)) for row in candidate_list.candidates],
            ADDUCT_NOTATION[features.adduct],
        )

    def ions(self, candidate_list: CandidateList) -> ListIons:
        features = self.data.spectra.features(candidate_list.spectrum)
        peaks = strongest_peaks(features.mz, features.intensity, features.precursor_mz)
        spectrum = spectrum_peaks(
            peaks, features.adduct, features.energy, features.energy_kind, features.precursor_mz
        )
        structures = [self.smiles[row] for row in candidate_list.candidates]
        pairs = candidate_ions(peaks, structures, ADDUCT_NOTATION[features.adduct], features.precursor_mz)
        return ListIons(spectrum, pairs, candidate_list.truth)

    def _formula(self, row: int) -> str:
        if row not in self.formulas:
            molecule = identify(self.smiles[row])
            self.formulas[row] = molecule.formula if molecule is not None else "H"
        return self.formulas[row]


def cut_list(candidate_list: CandidateList, at_most: int, rng: np.random.Generator) -> CandidateList:
    """At most `at_most` candidates, always with the truth."""
    candidates, truth = candidate_list.candidates, candidate_list.truth
    if len(candidates) <= at_most:
        return candidate_list
    drawn = rng.choice(np.delete(candidates, truth), at_most - 1, replace=False)
    kept = np.sort(np.append(drawn, candidates[truth]))
    return CandidateList(candidate_list.spectrum, kept, int(np.searchsorted(kept, candidates[truth])))
