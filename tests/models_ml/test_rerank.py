"""The order of candidates in method `glmr`, by retrieval and by generated molecules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models_ml.inference.rerank import rank_candidates
from models_ml.outcomes import AnnotateParams, GeneratedMolecule
from models_ml.spectra.precursor_window import PrecursorWindow
from tests.models_ml.builders import AXES, make_retrieved

PARAMS = AnnotateParams()


@pytest.fixture
def window() -> PrecursorWindow:
    return PrecursorWindow(
        195.0877, "[M+H]+", adduct_assumed=False, neutral_mass=194.0804, tolerance_da=0.002
    )


def test_generated_rerank_sorts_by_similarity_to_generated_molecules(window: PrecursorWindow) -> None:
    generated = [
        GeneratedMolecule(1, "x", -1.0),  # the most likely string is not a molecule
        GeneratedMolecule(2, "c", -2.0, smiles="c"),
        GeneratedMolecule(3, "b", -3.0, smiles="b"),
    ]
    embeddings = {"c": AXES[2], "b": 0.6 * AXES[1] + 0.8 * AXES[3]}
    params = replace(PARAMS, rerank="generated")
    ranked = rank_candidates(window, make_retrieved(0.9, 0.8, 0.7), generated, embeddings, params)
    assert [candidate.key for candidate in ranked] == [12, 11, 10]
    assert [candidate.retrieval_rank for candidate in ranked] == [3, 2, 1]


@pytest.mark.parametrize(
    ("generated", "weight", "order"),
    [
        ("b", 0.0, [10, 11, 12]),
        ("b", 0.5, [11, 10, 12]),  # similar in retrieval: generation decides
        ("c", 0.5, [10, 11, 12]),  # dissimilar in retrieval: it does not
        ("c", 5.0, [12, 10, 11]),
    ],
)
def test_blend_rerank_weights_retrieval_against_generation(
    generated: str, weight: float, order: list[int], window: PrecursorWindow
) -> None:
    ranked = rank_candidates(
        window,
        make_retrieved(0.9, 0.8, 0.4),
        [GeneratedMolecule(1, generated, -1.0, smiles=generated)],
        {"b": AXES[1], "c": AXES[2]},
        replace(PARAMS, rerank="blend", rerank_weight=weight),
    )
    assert [candidate.key for candidate in ranked] == order


def test_without_a_valid_generated_molecule_candidates_keep_the_order_of_retrieval(
    window: PrecursorWindow,
) -> None:
    generated = [GeneratedMolecule(1, "(", -1.0)]
    ranked = rank_candidates(window, make_retrieved(0.9, 0.8, 0.8), generated, {}, PARAMS)
    assert [candidate.key for candidate in ranked] == [10, 11, 12]
    assert {candidate.generated_similarity for candidate in ranked} == {None}
