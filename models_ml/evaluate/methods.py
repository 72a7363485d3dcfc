"""Ranking methods under test: each turns cases into one `Ranking` a case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from models_ml.evaluate.cases import Case
from models_ml.evaluate.library import Candidate
from models_ml.inference.annotate import annotate, embed_spectra, preprocess_spectra, retrieve_candidates
from models_ml.inference.checkpoint import GlmrModel
from models_ml.inference.memory_index import InMemoryLibrary
from models_ml.inference.question import Question
from models_ml.inference.rerank import DECIMALS
from models_ml.molecules.fingerprint import tanimoto
from models_ml.outcomes import Annotated, AnnotateParams, Query

BATCH = 64
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Ranking:
    """How a method did on one case. `rank` is the expected place of the truth, NEVER if it is not listed."""

    rank: float
    n_in_window: int  # 0: the spectrum could not be annotated
    covered: bool  # the truth is among the candidates
    tanimoto: float  # of the first candidate to the truth
    beams: tuple[str, ...] = field(default=())  # first blocks of the generated molecules, "" if invalid


@dataclass(frozen=True, slots=True)
class Bench:
    """What a method runs on."""

    model: GlmrModel
    library: InMemoryLibrary
    molecules: Sequence[Candidate]
    params: AnnotateParams


def random_ranking(cases: Sequence[Case], bench: Bench) -> list[Ranking]:
    """One shuffle of each window: what its truth may expect is in `random_hit@1` besides."""
    rng = np.random.default_rng(bench.params.seed)
    rankings: list[Ranking] = []
    for case, question in zip(cases, ask_all(cases, bench), strict=True):
        window = _window_of(question, bench)
        if not len(window):
            rankings.append(Ranking(NEVER, 0, False, 0.0))
            continue
        keys = rng.permutation(window)
        rankings.append(_ranking(case, bench, keys.tolist(), list(range(len(keys))), len(window)))
    return rankings


def retrieval_ranking(cases: Sequence[Case], bench: Bench) -> list[Ranking]:
    """The pre-retrieval alone: `annotate` up to its third stage."""
    rankings: list[Ranking] = []
    for batch in tqdm(_batches(cases), "retrieval"):
        asked = ask_all(batch, bench)
        questions = [question for question in asked if question is not None]
        if not questions:
            rankings.extend(Ranking(NEVER, 0, False, 0.0) for _ in batch)
            continue
        embeddings, _, _ = embed_spectra(questions, bench.model)
        found = iter(retrieve_candidates(questions, embeddings, bench.library.retrieve, bench.params))
        for case, question in zip(batch, asked, strict=True):
            if question is None:
                rankings.append(Ranking(NEVER, 0, False, 0.0))
                continue
            one = next(found)
            keys = [molecule.key for molecule in one.molecules]
            order = [-round(molecule.embedding_similarity, DECIMALS) for molecule in one.molecules]
            rankings.append(_ranking(case, bench, keys, order, one.n_in_window))
    return rankings


def glmr_ranking(cases: Sequence[Case], bench: Bench) -> list[Ranking]:
    """The whole method, as the server runs it."""
    rankings: list[Ranking] = []
    for batch in tqdm(_batches(cases), "glmr"):
        outcomes = annotate(
            [case.spectrum for case in batch],
            model=bench.model,
            retrieve=bench.library.retrieve,
            params=bench.params,
        )
        for case, outcome in zip(batch, outcomes, strict=True):
            if not isinstance(outcome, Annotated):
                rankings.append(Ranking(NEVER, 0, False, 0.0))
                continue
            keys = [candidate.key for candidate in outcome.candidates]
            order = [
                (-(c.generated_similarity or 0.0), -round(c.embedding_similarity, DECIMALS))
                for c in outcome.candidates
            ]
            beams = tuple(molecule.inchikey_first_block for molecule in outcome.generated)
            rankings.append(_ranking(case, bench, keys, order, outcome.n_in_window, beams))
    return rankings


METHODS: dict[str, Callable[[Sequence[Case], Bench], list[Ranking]]] = {
    "random": random_ranking,
    "retrieval": retrieval_ranking,
    "glmr": glmr_ranking,
}


def ask_all(cases: Sequence[Case], bench: Bench) -> list[Question | None]:
    asked = preprocess_spectra([case.spectrum for case in cases], bench.model, bench.params)
    return [question if isinstance(question, Question) else None for question in asked]


def random_hit(rankings: Sequence[Ranking]) -> list[float]:
    """Chance of a blind draw from each window; the truth is in it or the draw cannot hit."""
    return [1 / ranking.n_in_window if ranking.n_in_window else 0.0 for ranking in rankings]


def _window_of(question: Question | None, bench: Bench) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    if question is None:
        return np.zeros(0, np.int64)
    nothing = np.zeros(bench.model.embedding_dim, np.float32)
    return bench.library.window(Query(nothing, question.neutral_mass, question.tolerance_da))


def _ranking(
    case: Case,
    bench: Bench,
    keys: Sequence[int],
    order: Sequence[object],
    n_in_window: int,
    beams: tuple[str, ...] = (),
) -> Ranking:
    """`order` holds each candidate's sorting value, best first; equal values share their mean place."""
    first = bench.molecules[keys[0]] if keys else None
    similarity = tanimoto(first.fingerprint, case.truth.fingerprint) if first else 0.0
    place = next(
        (n for n, key in enumerate(keys) if bench.molecules[key].inchikey_first_block == case.compound), None
    )
    if place is None:
        return Ranking(NEVER, n_in_window, False, similarity, beams)
    ties = [n for n, value in enumerate(order) if value == order[place]]
    return Ranking(sum(ties) / len(ties) + 1, n_in_window, True, similarity, beams)


def _batches(cases: Sequence[Case]) -> list[Sequence[Case]]:
    return [cases[start : start + BATCH] for start in range(0, len(cases), BATCH)]
