"""Ranking methods of the model: retrieval, generation, likelihood and the fused ranking."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from models_ml.evaluate.cases import Case
from models_ml.evaluate.methods.context import MethodContext, batches, rank_scored
from models_ml.evaluate.protocols import restricted_retrieve
from models_ml.evaluate.ranking import Floats, Ranking, rank_shortlist
from models_ml.inference.annotate import annotate, retrieve_candidates
from models_ml.inference.likelihood import log_likelihoods
from models_ml.inference.molecule_generation import build_memory
from models_ml.inference.rerank import DECIMALS, rerank_scores
from models_ml.outcomes import Annotated, AnnotateParams, RankedCandidate
from models_ml.ranking import fuse

# Similarities are compared at DECIMALS decimals. A second term this small only separates equal ones.
TIE_BREAK = 0.4 * 10.0**-DECIMALS
LIKELIHOOD_DECIMALS = 3  # precision of a sum over tokens in float32
# The server rounds probabilities to this many decimals. A probability of 0 is below half the last decimal.
LEAST_PROBABILITY = 0.5 * 10.0**-fuse.DECIMALS


def retrieval_ranking(cases: Sequence[Case], context: MethodContext) -> list[Ranking]:
    """Pre-retrieval alone: the cosine by which `annotate` makes its shortlist, for every candidate."""
    vectors = context.embeddings(cases)

    def score(batch: Sequence[Case]) -> Iterable[Floats]:
        for case, work in zip(batch, context.embedded(batch), strict=True):
            is_whole_library = len(case.keys) == len(vectors)
            cosines = (vectors if is_whole_library else vectors[case.keys]) @ work.embedding
            scores: Floats = cosines.astype(np.float64)
            yield scores.round(DECIMALS)

    return rank_scored(cases, context, score, "retrieval")


def glmr_ranking(cases: Sequence[Case], context: MethodContext, **changes: Any) -> list[Ranking]:
    """The method of the paper, as the server runs it. `changes`: other parameters, for an ablation."""
    params = replace(context.params, method="glmr", **changes)
    return _annotated(cases, context, params, partial(glmr_scores, params=params))


def likelihood_ranking(cases: Sequence[Case], context: MethodContext) -> list[Ranking]:
    """The decoder's log likelihood of each candidate of the shortlist."""
    vectors = context.embeddings(cases)
    rankings = [Ranking() for _ in cases]
    for indices in tqdm(batches(cases), "likelihood"):
        batch = [cases[index] for index in indices]
        works = context.embedded(batch)
        retrieve_candidates(works, restricted_retrieve(batch, context.library, vectors), context.params)
        memory = build_memory(works, context.model, context.params)
        smiles = [[molecule.smiles for molecule in work.retrieved.molecules] for work in works]
        scores = log_likelihoods(context.model, memory, smiles)
        for index, case, work, score in zip(indices, batch, works, scores, strict=True):
            listed = np.array([molecule.key for molecule in work.retrieved.molecules], np.int64)
            rankings[index] = rank_shortlist(
                listed, score.round(LIKELIHOOD_DECIMALS), case.keys, context.truth(case)
            )
    return rankings


def fused_ranking(cases: Sequence[Case], context: MethodContext, **changes: Any) -> list[Ranking]:
    """The server's default: all channels, with reference spectra if the context has them."""
    # Generated molecules do not change the fused ranking. Without them the ranking is much faster.
    params = replace(context.params, method="fused", generate=context.model.ranking is None, **changes)
    references = {} if context.references is None else {"references": context.references}
    return _annotated(cases, context, params, partial(fused_scores, params=params), references)


def glmr_scores(candidates: Sequence[RankedCandidate], params: AnnotateParams) -> Floats:
    """Scores that order as the server does: by the re-ranking score, then by embedding similarity."""
    retrieval = [candidate.embedding_similarity for candidate in candidates]
    generated = [candidate.generated_similarity for candidate in candidates]
    scores = rerank_scores(retrieval, generated, params)
    return scores + TIE_BREAK * np.array(retrieval).round(DECIMALS)


def fused_scores(candidates: Sequence[RankedCandidate], params: AnnotateParams) -> Floats:
    """Log probabilities. A checkpoint without fused ranking has none and ranks as `glmr`.

    Raises ValueError if the order of the candidates contradicts their probabilities.
    """
    probabilities = [candidate.probability for candidate in candidates]
    if any(p is None for p in probabilities):
        return glmr_scores(candidates, params)
    stated = np.array(probabilities, float)
    if np.any(np.diff(stated) > 0):
        raise ValueError("The candidates of a result are not in descending order of probability.")
    scores: Floats = np.log(np.maximum(stated, LEAST_PROBABILITY))
    return scores


def _annotated(
    cases: Sequence[Case],
    context: MethodContext,
    params: AnnotateParams,
    score: Callable[[Sequence[RankedCandidate]], Floats],
    references: Mapping[str, Any] | None = None,
) -> list[Ranking]:
    """Rankings by `annotate`, which retrieves from the candidates of each case."""
    vectors = context.embeddings(cases)
    rankings = [Ranking() for _ in cases]
    for indices in tqdm(batches(cases), f"{params.method}{' (blind)' if context.is_blind else ''}"):
        batch = [cases[index] for index in indices]
        outcomes = annotate(
            [case.spectrum for case in batch],
            model=context.model,
            retrieve=restricted_retrieve(batch, context.library, vectors),
            params=params,
            **(references or {}),
        )
        for index, case, outcome in zip(indices, batch, outcomes, strict=True):
            if isinstance(outcome, Annotated):
                rankings[index] = _ranking_of(case, outcome, context, score)
    return rankings


def _ranking_of(
    case: Case,
    outcome: Annotated,
    context: MethodContext,
    score: Callable[[Sequence[RankedCandidate]], Floats],
) -> Ranking:
    listed = np.array([candidate.key for candidate in outcome.candidates], np.int64)
    ranking = rank_shortlist(listed, score(outcome.candidates), case.keys, context.truth(case))
    confidence = outcome.confidence
    return replace(
        ranking,
        p_right=confidence.p_right if confidence else outcome.candidates[0].probability,
        p_close=confidence.p_close if confidence else None,
        p_absent=confidence.p_absent if confidence else None,
        abstains=confidence.abstains if confidence else None,
        beams=tuple(molecule.inchikey_first_block for molecule in outcome.generated),
    )
