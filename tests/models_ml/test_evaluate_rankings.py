"""Cases, protocols and rankings of the evaluation, with known results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="evaluation runs the model, which needs torch")

from models_ml.evaluate.cases import draw_evenly, exchange_peaks, remove_peaks
from models_ml.evaluate.protocols import restricted_retrieve, with_candidates, without_truth
from models_ml.evaluate.ranking import MAX_KEPT, NEVER, rank_by_score, rank_shortlist
from models_ml.inference.memory_index import InMemoryLibrary, LibraryEntry
from models_ml.outcomes import AnnotateParams, Query
from tests.models_ml.test_evaluate import make_cases, make_library
from tests.tiny_checkpoint import MOLECULES

THEOPHYLLINE, THEOBROMINE = MOLECULES[3], MOLECULES[4]


def test_a_limit_takes_spectra_of_all_compounds() -> None:
    cases = make_cases(*MOLECULES[:4])
    drawn = draw_evenly(cases, 4, seed=1)
    assert len({case.compound for case in drawn}) == 4
    assert drawn == draw_evenly(cases, 4, seed=1)


def test_exchanged_peaks_come_from_another_compound() -> None:
    cases = make_cases(THEOPHYLLINE, THEOBROMINE)
    exchanged, n_within_tolerance = exchange_peaks(cases)
    assert n_within_tolerance == len(cases)  # isomers have the same precursor m/z
    for before, after in zip(cases, exchanged, strict=True):
        donors = [case for case in cases if case.spectrum.mz is after.spectrum.mz]
        assert donors[0].compound != before.compound == after.compound


def test_the_blind_twin_gets_no_peak_of_the_spectrum() -> None:
    (case, _) = remove_peaks(make_cases(THEOPHYLLINE))
    assert case.spectrum.mz.tolist() == [case.spectrum.precursor_mz]


def test_the_memory_library_answers_like_a_plain_sort() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    mass = rng.uniform(100, 200, 500)
    library = InMemoryLibrary([LibraryEntry("C", str(n), "CH4", mass[n]) for n in range(500)], vectors)
    (retrieved,) = library.retrieve([Query(vectors[7], 150.0, 30.0)], 40)
    inside = np.flatnonzero(np.abs(mass - 150) <= 30)
    expected = sorted(inside, key=lambda key: (-float(vectors[key] @ vectors[7]), key))[:40]
    assert [molecule.key for molecule in retrieved.molecules] == expected
    assert retrieved.n_in_window == len(inside)


def test_each_protocol_has_its_own_candidates() -> None:
    library = make_library(*MOLECULES)
    cases = make_cases(THEOPHYLLINE)
    sizes = {}
    for protocol in ("precursor", "formula", "isomers", "whole"):
        selected = with_candidates(cases, library, protocol, AnnotateParams(), max_peaks=64)
        sizes[protocol] = [len(case.keys) for case in selected]
    assert sizes == {"precursor": [2, 2], "formula": [2, 2], "isomers": [], "whole": [len(MOLECULES)] * 2}


def test_a_deleted_truth_is_no_candidate() -> None:
    library = make_library(*MOLECULES)
    cases = with_candidates(make_cases(THEOPHYLLINE), library, "formula", AnnotateParams(), max_peaks=64)
    (case, _) = without_truth(cases, library)
    assert [library.molecules[key].smiles for key in case.keys] == [THEOBROMINE]


def test_restricted_retrieval_answers_from_the_candidates_of_each_case() -> None:
    library = make_library(*MOLECULES)
    vectors = np.random.default_rng(0).normal(size=(len(library), 4)).astype(np.float32)
    first, second = make_cases(THEOPHYLLINE)
    cases = [replace(first, keys=np.array([1, 5, 7])), replace(second, keys=np.array([2]))]
    queries = [Query(vectors[5], 0.0, 0.0)] * 2
    of_first, of_second = restricted_retrieve(cases, library, vectors)(queries, 2)
    order = sorted([1, 5, 7], key=lambda key: -float(vectors[key] @ vectors[5]))
    assert [molecule.key for molecule in of_first.molecules] == order[:2]
    assert of_first.n_in_window == 3
    assert [molecule.key for molecule in of_second.molecules] == [2]
    with pytest.raises(ValueError, match="one per case"):
        restricted_retrieve(cases, library, vectors)(queries[:1], 2)


def test_equal_scores_share_their_expected_rank() -> None:
    keys = np.array([4, 8, 9])
    assert rank_by_score(keys, np.array([0.5, 0.5, 0.1]), 8).rank == 1.5
    assert rank_by_score(keys, np.array([0.1, 0.5, 0.9]), 4).rank == 3
    assert rank_by_score(keys, np.array([0.1, 0.5, 0.9]), None).rank == NEVER
    with pytest.raises(ValueError, match="finite"):
        rank_by_score(keys, np.array([0.1, np.nan, 0.9]), 4)


def test_a_large_ranking_stores_the_best_and_counts_the_rest() -> None:
    scores = np.random.default_rng(0).normal(size=5000)
    ranking = rank_by_score(np.arange(5000), scores, 17)
    assert ranking.keys.tolist() == np.argsort(-scores)[:MAX_KEPT].tolist()
    assert ranking.rank == (scores > scores[17]).sum() + 1
    assert ranking.rest_counts.sum() == 5000 - MAX_KEPT
    whole = np.log(np.exp(scores).sum())
    kept = np.exp(ranking.scores).sum() + (ranking.rest_counts * np.exp(ranking.rest_scores)).sum()
    assert np.log(kept) == pytest.approx(whole, abs=1e-4)


def test_a_truth_outside_the_shortlist_has_no_rank_but_the_last_score() -> None:
    ranking = rank_shortlist(np.array([1, 2]), np.array([0.9, 0.3]), np.array([1, 2, 3, 4]), 4)
    assert ranking.rank == NEVER
    assert ranking.truth_score == 0.3
    assert ranking.rest_counts.tolist() == [2]
    assert ranking.n_candidates == 4


def test_retrieval_ranks_as_the_server_retrieves(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """The scores of all candidates give the same order as the shortlist of `annotate`."""
    from models_ml.evaluate.methods.context import MethodContext
    from models_ml.evaluate.methods.model_methods import retrieval_ranking
    from models_ml.evaluate.vectors import MoleculeVectors
    from models_ml.inference.annotate import annotate
    from models_ml.inference.checkpoint import load_checkpoint
    from models_ml.outcomes import Annotated

    model, library = load_checkpoint(tiny_checkpoint), make_library(*MOLECULES)
    params = AnnotateParams(method="glmr", max_tokens=8, beam_size=1)
    cases = with_candidates(make_cases(*MOLECULES[:4]), library, "whole", params, max_peaks=64)
    context = MethodContext(model, library, MoleculeVectors(model, library), params)
    rankings = retrieval_ranking(cases, context)
    outcomes = annotate(
        [case.spectrum for case in cases],
        model=model,
        retrieve=restricted_retrieve(cases, library, context.vectors.values),
        params=params,
    )
    for ranking, outcome in zip(rankings, outcomes, strict=True):
        assert isinstance(outcome, Annotated)
        retrieved = sorted(outcome.candidates, key=lambda candidate: candidate.retrieval_rank)
        assert [candidate.key for candidate in retrieved] == ranking.keys.tolist()
