"""What ranking methods share: their inputs, and the loop for methods that score every candidate.

A method is a function of cases and a `MethodContext` that returns one `Ranking` per case. To add a method:
write the function, and add it to `registry.py`. If it scores every candidate, pass the scores to
`rank_scored`. Shared code computes probabilities, controls and metrics from the rankings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from models_ml.evaluate.cases import Case
from models_ml.evaluate.library import Library
from models_ml.evaluate.ranking import Floats, Ranking, rank_by_score
from models_ml.evaluate.vectors import MoleculeVectors
from models_ml.evidence.analogs import ReferenceIndex
from models_ml.inference.annotate import embed_spectra
from models_ml.inference.checkpoint import GlmrModel
from models_ml.inference.feature_work import FeatureWork
from models_ml.outcomes import AnnotateParams, Embedding
from models_ml.spectra.precursor_window import PreparedSpectrum, prepare_spectrum

BATCH_SIZE = 64


class MethodUnavailable(Exception):
    """The method lacks an input. The message names it."""


@dataclass(frozen=True, slots=True, eq=False)
class MethodContext:
    """What a method needs to rank cases."""

    model: GlmrModel
    library: Library
    vectors: MoleculeVectors
    params: AnnotateParams
    references: ReferenceIndex | None = None  # without the evaluated compounds
    # Folders of models that only the evaluation uses, by method name (`--baseline NAME=FOLDER`).
    folders: Mapping[str, Path] = field(default_factory=dict)
    is_blind: bool = False  # context of the blind twin: no peaks and no references

    def embeddings(self, cases: Sequence[Case]) -> Embedding:
        """Embeddings (n, D) of the library. The rows of molecules that are no candidates may be zero."""
        is_candidate = np.zeros(len(self.library), bool)
        for case in cases:
            is_candidate[case.keys] = True
        self.vectors.ensure(np.flatnonzero(is_candidate))
        return self.vectors.values

    def prepared(self, case: Case) -> PreparedSpectrum:
        """Raises ValueError for a case without candidates, because it may not be annotatable."""
        max_peaks = self.model.network.config.max_peaks
        prepared = prepare_spectrum(case.spectrum, self.params, max_peaks=max_peaks)
        if not isinstance(prepared, PreparedSpectrum):
            raise ValueError(f"The spectrum of a case with candidates cannot be annotated: {prepared.reason}")
        return prepared

    def embedded(self, cases: Sequence[Case]) -> list[FeatureWork]:
        """Preprocess and embed the spectra, as `annotate` does. Every case must have candidates."""
        works = [FeatureWork.of(case.spectrum) for case in cases]
        for work, case in zip(works, cases, strict=True):
            work.leader.prepared = self.prepared(case)
        embed_spectra(works, self.model)
        return works

    def truth(self, case: Case) -> int | None:
        """Key of the right molecule; None if the library does not have it."""
        return self.library.key_of(case.compound)

    def needed_references(self) -> ReferenceIndex:
        """Raises MethodUnavailable if there are none."""
        if self.references is None:
            raise MethodUnavailable("the method needs reference spectra: name a file with --references")
        return self.references


ScoreBatch = Callable[[Sequence[Case]], Iterable[Floats]]


def rank_scored(cases: Sequence[Case], context: MethodContext, score: ScoreBatch, name: str) -> list[Ranking]:
    """Rankings of a method that scores every candidate.

    `score` receives batches of cases that have candidates. It returns the scores of the `keys` of each case.
    """
    rankings = [Ranking() for _ in cases]
    for indices in tqdm(batches(cases), name):
        batch = [cases[index] for index in indices]
        for index, case, scores in zip(indices, batch, score(batch), strict=True):
            rankings[index] = rank_by_score(case.keys, scores, context.truth(case))
    return rankings


def batches(cases: Sequence[Case]) -> list[list[int]]:
    """Indices of the cases that have candidates, in batches."""
    indices = [index for index, case in enumerate(cases) if len(case.keys)]
    return [indices[start : start + BATCH_SIZE] for start in range(0, len(indices), BATCH_SIZE)]
