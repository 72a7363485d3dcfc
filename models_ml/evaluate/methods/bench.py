"""Ranking methods under test: each is a function of cases and a bench that gives one `Ranking` a case.

A new method is a function here or in a module of its own, and a line in `registry.py`. One that can score
every candidate gives its scores to `rank_scored` and is done: posteriors, controls and figures are made of
rankings by shared code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from models_ml.evaluate.cases import Case
from models_ml.evaluate.library import Library
from models_ml.evaluate.protocols import restricted_retrieve
from models_ml.evaluate.ranking import Floats, Ranking, rank_by_score, rank_shortlist
from models_ml.evaluate.vectors import MoleculeVectors
from models_ml.evidence.analogs import ReferenceIndex
from models_ml.inference.annotate import annotate, embed_spectra, fuse_memory, retrieve_candidates
from models_ml.inference.checkpoint import GlmrModel
from models_ml.inference.likelihood import log_likelihoods
from models_ml.inference.rerank import DECIMALS, rerank_scores
from models_ml.outcomes import Annotated, AnnotateParams, Embedding, RankedCandidate
from models_ml.ranking import fuse
from models_ml.spectra.precursor_window import PreparedSpectrum, prepare_spectrum

BATCH = 64
# Similarities are compared to DECIMALS places, so a second criterion this small only parts equal ones.
TIE_BREAK = 0.4 * 10.0**-DECIMALS
LIKELIHOOD_DECIMALS = 3  # a sum over tokens of float32 is not surer
# The server states probabilities to so many places: one of 0 lies somewhere below half the last.
LEAST_PROBABILITY = 0.5 * 10.0**-fuse.DECIMALS


class Unavailable(Exception):
    """The method cannot run with what was given; the message says what is missing."""


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What a method runs on."""

    model: GlmrModel
    library: Library
    vectors: MoleculeVectors
    params: AnnotateParams
    references: ReferenceIndex | None = None  # holds no compound that is evaluated
    # Folders of models that only the evaluation knows, by method name (`--baseline NAME=FOLDER`).
    folders: Mapping[str, Path] = field(default_factory=dict)
    is_blind: bool = False  # this is the blind twin's bench: cases have no peaks, references are absent

    def embeddings(self, cases: Sequence[Case]) -> Embedding:
        """Of the whole library (n, D), made at least where these cases reach."""
        reached = np.zeros(len(self.library), bool)
        for case in cases:
            reached[case.keys] = True
        self.vectors.ensure(np.flatnonzero(reached))
        return self.vectors.values

    def question(self, case: Case) -> PreparedSpectrum:
        """Only of a case that has candidates."""
        asked = prepare_spectrum(case.spectrum, self.params, max_peaks=self.model.network.config.max_peaks)
        if not isinstance(asked, PreparedSpectrum):
            raise ValueError(f"A case with candidates cannot be asked: {asked.reason}")
        return asked

    def truth(self, case: Case) -> int | None:
        return self.library.key_of(case.compound)

    def needed_references(self) -> ReferenceIndex:
        """Raises Unavailable if there are none."""
        if self.references is None:
            raise Unavailable("it needs reference spectra: name a file with --references")
        return self.references


ScoreBatch = Callable[[Sequence[Case]], Iterable[Floats]]


def rank_scored(cases: Sequence[Case], bench: Bench, score: ScoreBatch, name: str) -> list[Ranking]:
    """Rankings of a method that scores every candidate.

    `score` is given batches of cases that have candidates, and gives for each case the scores of its `keys`.
    """
    rankings = [Ranking() for _ in cases]
    for places in tqdm(_batches(cases), name):
        batch = [cases[place] for place in places]
        for place, case, scores in zip(places, batch, score(batch), strict=True):
            rankings[place] = rank_by_score(case.keys, scores, bench.truth(case))
    return rankings


def random_ranking(cases: Sequence[Case], bench: Bench) -> list[Ranking]:
    """One shuffle of each window: what its truth may expect is in `random_hit@1` besides."""
    rng = np.random.default_rng(bench.params.seed)
    return rank_scored(
        cases,
        bench,
        lambda batch: [rng.permutation(len(case.keys)) / len(case.keys) for case in batch],
        "random",
    )


def retrieval_ranking(cases: Sequence[Case], bench: Bench) -> list[Ranking]:
    """The pre-retrieval alone: the cosine by which `annotate` asks for its shortlist, of every candidate."""
    vectors = bench.embeddings(cases)

    def score(batch: Sequence[Case]) -> Iterable[Floats]:
        spectra, _, _ = embed_spectra([bench.question(case) for case in batch], bench.model)
        for case, spectrum in zip(batch, spectra, strict=True):
            everything = len(case.keys) == len(vectors)
            cosines = (vectors if everything else vectors[case.keys]) @ spectrum
            yield np.round(cosines.astype(np.float64), DECIMALS)

    return rank_scored(cases, bench, score, "retrieval")


def glmr_ranking(cases: Sequence[Case], bench: Bench, **changes: Any) -> list[Ranking]:
    """The paper's method whole, as the server runs it. `changes`: other parameters, for an ablation."""
    params = replace(bench.params, method="glmr", **changes)
    return _annotated(cases, bench, params, partial(glmr_scores, params=params))


def likelihood_ranking(cases: Sequence[Case], bench: Bench) -> list[Ranking]:
    """The decoder as a judge: how likely it would write each candidate of the shortlist."""
    vectors = bench.embeddings(cases)
    rankings = [Ranking() for _ in cases]
    for places in tqdm(_batches(cases), "likelihood"):
        batch = [cases[place] for place in places]
        questions = [bench.question(case) for case in batch]
        embeddings, features, keep = embed_spectra(questions, bench.model)
        retrieve = restricted_retrieve(batch, bench.library, vectors)
        retrieved = retrieve_candidates(questions, embeddings, retrieve, bench.params)
        memory = fuse_memory(retrieved, features, keep, bench.model, bench.params)
        smiles = [[molecule.smiles for molecule in one.molecules] for one in retrieved]
        scores = log_likelihoods(bench.model, memory, smiles)
        for place, case, one, score in zip(places, batch, retrieved, scores, strict=True):
            listed = np.array([molecule.key for molecule in one.molecules], np.int64)
            rankings[place] = rank_shortlist(
                listed, score.round(LIKELIHOOD_DECIMALS), case.keys, bench.truth(case)
            )
    return rankings


def fused_ranking(cases: Sequence[Case], bench: Bench, **changes: Any) -> list[Ranking]:
    """The server's default: all evidence together, with reference spectra where there are some."""
    # Nothing generated takes part in the fused ranking, so the ranks are the same without it, and soon there.
    params = replace(bench.params, method="fused", generate=bench.model.ranking is None, **changes)
    more = {} if bench.references is None else {"references": bench.references}
    return _annotated(cases, bench, params, partial(fused_scores, params=params), more)


def glmr_scores(candidates: Sequence[RankedCandidate], params: AnnotateParams) -> Floats:
    """One number each that orders as the server does: by its re-ranking, then by embedding similarity."""
    retrieval = [one.embedding_similarity for one in candidates]
    scores = rerank_scores(retrieval, [one.generated_similarity for one in candidates], params)
    return scores + TIE_BREAK * np.array(retrieval).round(DECIMALS)


def fused_scores(candidates: Sequence[RankedCandidate], params: AnnotateParams) -> Floats:
    """Log probabilities; a checkpoint without a ranker has none and ranks as `glmr`.

    Raises ValueError if the server's ranks contradict its probabilities.
    """
    probabilities = [one.probability for one in candidates]
    if any(p is None for p in probabilities):
        return glmr_scores(candidates, params)
    stated = np.array(probabilities, float)
    if np.any(np.diff(stated) > 0):
        raise ValueError("The ranks of an answer do not follow its probabilities.")
    scores: Floats = np.log(np.maximum(stated, LEAST_PROBABILITY))
    return scores


def _annotated(
    cases: Sequence[Case],
    bench: Bench,
    params: AnnotateParams,
    score: Callable[[Sequence[RankedCandidate]], Floats],
    more: Mapping[str, Any] | None = None,
) -> list[Ranking]:
    """Rankings by `annotate`, asked among each case's candidates."""
    vectors = bench.embeddings(cases)
    rankings = [Ranking() for _ in cases]
    for places in tqdm(_batches(cases), f"{params.method}{' (blind)' if bench.is_blind else ''}"):
        batch = [cases[place] for place in places]
        outcomes = annotate(
            [case.spectrum for case in batch],
            model=bench.model,
            retrieve=restricted_retrieve(batch, bench.library, vectors),
            params=params,
            **(more or {}),
        )
        for place, case, outcome in zip(places, batch, outcomes, strict=True):
            if isinstance(outcome, Annotated):
                rankings[place] = _of_outcome(case, outcome, bench, score)
    return rankings


def _of_outcome(
    case: Case, outcome: Annotated, bench: Bench, score: Callable[[Sequence[RankedCandidate]], Floats]
) -> Ranking:
    listed = np.array([one.key for one in outcome.candidates], np.int64)
    ranking = rank_shortlist(listed, score(outcome.candidates), case.keys, bench.truth(case))
    sure = outcome.confidence
    return replace(
        ranking,
        p_right=sure.p_right if sure else outcome.candidates[0].probability,
        p_close=sure.p_close if sure else None,
        p_absent=sure.p_absent if sure else None,
        abstains=sure.abstains if sure else None,
        beams=tuple(molecule.inchikey_first_block for molecule in outcome.generated),
    )


def _batches(cases: Sequence[Case]) -> list[list[int]]:
    """Places of the cases that have candidates, some at a time."""
    some = [place for place, case in enumerate(cases) if len(case.keys)]
    return [some[start : start + BATCH] for start in range(0, len(some), BATCH)]
