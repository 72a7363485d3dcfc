"""Candidates of training lists, fragmented for the channels that learn from fragments. Needs RDKit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models_ml.evidence.fragment_matches import Explained
from models_ml.evidence.fragments import explain_candidates, strongest_peaks
from models_ml.evidence.ion_shares import PairIons, SpectrumPeaks
from models_ml.evidence.predicted_peaks import candidate_ions, spectrum_peaks
from models_ml.molecules.standardise import identify
from models_ml.training.ranking.evidence import ADDUCT_OF_PLACE, CandidateList, Pools


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One spectrum with its candidates, ready for the scorer of predicted peaks."""

    spectrum: SpectrumPeaks
    pairs: Sequence[PairIons]
    truth: int  # place among them


class Fragmenter:
    """Asks of a list what its candidates' fragments explain, and which ions they could give.

    Both at once, and lists in the order of mass: then a molecule is fragmented once for both questions and
    for all spectra of like mass.
    """

    def __init__(self, pools: Pools) -> None:
        self.pools = pools
        self.smiles = pools.library.smiles
        self.formulas: dict[int, str] = {}

    def explain(self, one: CandidateList) -> list[Explained]:
        features = self.pools.spectra.features(one.spectrum)
        return explain_candidates(
            strongest_peaks(features.mz, features.intensity, features.precursor_mz),
            [self.smiles[row] for row in one.candidates],
            [self._formula(int(row)) for row in one.candidates],
            ADDUCT_OF_PLACE[features.adduct],
        )

    def judge(self, one: CandidateList) -> Judged:
        seen = self.pools.spectra.features(one.spectrum)
        peaks = strongest_peaks(seen.mz, seen.intensity, seen.precursor_mz)
        spectrum = spectrum_peaks(peaks, seen.adduct, seen.energy, seen.energy_kind, seen.precursor_mz)
        structures = [self.smiles[row] for row in one.candidates]
        pairs = candidate_ions(peaks, structures, ADDUCT_OF_PLACE[seen.adduct], seen.precursor_mz)
        return Judged(spectrum, pairs, one.truth)

    def _formula(self, row: int) -> str:
        if row not in self.formulas:
            molecule = identify(self.smiles[row])
            self.formulas[row] = molecule.formula if molecule is not None else "H"
        return self.formulas[row]


def cut_list(one: CandidateList, most: int, rng: np.random.Generator) -> CandidateList:
    """At most so many candidates, the truth among them."""
    if len(one.candidates) <= most:
        return one
    others = np.delete(one.candidates, one.truth)
    right = one.candidates[one.truth]
    kept = np.sort(np.append(rng.choice(others, most - 1, replace=False), right))
    return CandidateList(one.spectrum, kept, int(np.searchsorted(kept, right)))
