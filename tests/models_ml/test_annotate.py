"""`annotate` on computed spectra: results, reasons for failure, and independence of the batch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="annotation needs torch, which is not installed here")

from models_ml.inference.annotate import annotate
from models_ml.inference.molecule_generation import distinct, mark_known
from models_ml.inference.rerank import rank_candidates
from models_ml.inference.spectrum_work import SpectrumWork
from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.molecules.standardise import standardise
from models_ml.outcomes import (
    Annotated,
    AnnotateParams,
    CannotAnnotate,
    GeneratedMolecule,
    Outcome,
    Retrieved,
    RetrievedMolecule,
)
from models_ml.spectra.precursor_window import PrecursorWindow, mass_window
from models_ml.spectra.spectrum import Spectrum
from tests.tiny_checkpoint import MOLECULES

if TYPE_CHECKING:
    from models_ml.inference.checkpoint import GlmrModel
    from models_ml.inference.memory_index import InMemoryLibrary

PARAMS = AnnotateParams(max_tokens=40)
AXES = np.eye(4, dtype=np.float32)


@pytest.fixture(scope="module")
def spectra() -> list[Spectrum]:
    return [fragment_spectrum(smiles) for smiles in MOLECULES[:10]]


@pytest.fixture(scope="module")
def window(spectra: list[Spectrum]) -> PrecursorWindow:
    return window_of(spectra[0])


@pytest.fixture(scope="module")
def context_model(tiny_model: GlmrModel) -> GlmrModel:
    """The tiny model with a decoder that reads the tokens of two candidates."""
    from models_ml.inference.checkpoint import GlmrModel

    network = copy.deepcopy(tiny_model.network)
    network.replace_fusion("cross", 2)
    return GlmrModel(network, tiny_model.tokenizer, tiny_model.info, "cpu")


def run(spectra: list[Spectrum], model: GlmrModel, library: InMemoryLibrary, **changes: Any) -> list[Outcome]:
    params = replace(PARAMS, **changes)
    return annotate(spectra, model=model, retrieve=library.retrieve, params=params)


def run_annotated(
    spectra: list[Spectrum], model: GlmrModel, library: InMemoryLibrary, **changes: Any
) -> list[Annotated]:
    outcomes = run(spectra, model, library, **changes)
    annotated = [outcome for outcome in outcomes if isinstance(outcome, Annotated)]
    assert len(annotated) == len(spectra)
    return annotated


def window_of(spectrum: Spectrum) -> PrecursorWindow:
    window = mass_window(spectrum, PARAMS)
    assert isinstance(window, PrecursorWindow)
    return window


def make_retrieved(*similarities: float) -> Retrieved:
    molecules = tuple(
        RetrievedMolecule(10 + n, f"C{n}", f"KEY{n}", "CH4", 100.0, AXES[n], similarity)
        for n, similarity in enumerate(similarities)
    )
    return Retrieved(molecules, len(molecules))


def make_generated(block: str, mass_error_ppm: float) -> GeneratedMolecule:
    return GeneratedMolecule(
        1, "x", -1.0, smiles="x", inchikey_first_block=block, mass_error_ppm=mass_error_ppm
    )


def make_work(spectrum: Spectrum, retrieved: Retrieved, generated: list[GeneratedMolecule]) -> SpectrumWork:
    work = SpectrumWork(spectrum)
    work.retrieved, work.generated = retrieved, generated
    return work


def test_every_spectrum_is_annotated(
    spectra: list[Spectrum], tiny_model: GlmrModel, tiny_library: InMemoryLibrary
) -> None:
    outcomes = run_annotated(spectra, tiny_model, tiny_library)
    for smiles, outcome in zip(MOLECULES, outcomes, strict=False):
        assert outcome.adduct == "[M+H]+"
        assert not outcome.adduct_assumed
        key = standardise(smiles).inchikey_first_block
        assert key in {candidate.inchikey_first_block for candidate in outcome.candidates}
        ranks = [candidate.rank for candidate in outcome.candidates]
        assert ranks == list(range(1, len(ranks) + 1))
        assert all(abs(candidate.mass_error_ppm) < 10 for candidate in outcome.candidates)
        beam_ranks = [molecule.beam_rank for molecule in outcome.generated]
        assert beam_ranks == sorted(set(beam_ranks))
        assert set(beam_ranks) <= {1, 2, 3, 4, 5}
        assert set(outcome.timings_s) == {"preprocess", "embed", "retrieve", "generate", "rerank"}


@pytest.mark.parametrize("reads_candidate_tokens", [False, True])
def test_a_batch_gives_the_same_as_its_spectra_alone(
    reads_candidate_tokens: bool,
    spectra: list[Spectrum],
    tiny_model: GlmrModel,
    context_model: GlmrModel,
    tiny_library: InMemoryLibrary,
) -> None:
    model = context_model if reads_candidate_tokens else tiny_model
    batch = run_annotated(spectra, model, tiny_library)
    for spectrum, outcome in zip(spectra, batch, strict=True):
        (alone,) = run_annotated([spectrum], model, tiny_library)
        assert [candidate.key for candidate in alone.candidates] == [
            candidate.key for candidate in outcome.candidates
        ]
        assert [candidate.generated_similarity for candidate in alone.candidates] == pytest.approx(
            [candidate.generated_similarity for candidate in outcome.candidates], abs=1e-4
        )
        assert [
            (molecule.text, molecule.in_library, molecule.is_proposed) for molecule in alone.generated
        ] == [(molecule.text, molecule.in_library, molecule.is_proposed) for molecule in outcome.generated]


def test_the_library_is_queried_once_for_a_batch(
    spectra: list[Spectrum], tiny_model: GlmrModel, tiny_library: InMemoryLibrary
) -> None:
    calls: list[int] = []

    def retrieve(queries: Any, k: int) -> list[Retrieved]:
        calls.append(len(queries))
        return tiny_library.retrieve(queries, k)

    without_precursor = replace(spectra[0], precursor_mz=None)
    outcomes = annotate([*spectra, without_precursor], model=tiny_model, retrieve=retrieve, params=PARAMS)
    assert calls == [len(spectra)]
    assert isinstance(outcomes[-1], CannotAnnotate)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"precursor_mz": None}, "no_precursor"),
        ({"precursor_mz": float("nan")}, "no_precursor"),
        ({"precursor_mz": 0.0}, "no_precursor"),
        ({"adduct": None}, "no_adduct"),
        ({"adduct": "[M+Xy]+"}, "unsupported_adduct"),
        ({"precursor_mz": 5.0, "adduct": "[M+Na]+"}, "impossible_mass"),
        ({"mz": np.array([]), "intensity": np.array([])}, "no_peaks"),
        ({"mz": np.array([100.0]), "intensity": np.array([0.0])}, "no_peaks"),
        ({"precursor_mz": 1999.0}, "no_candidates"),
    ],
)
def test_a_spectrum_that_cannot_be_annotated_gets_a_reason(
    changes: dict[str, Any], code: str, spectra: list[Spectrum], tiny_model: GlmrModel,
    tiny_library: InMemoryLibrary,
) -> None:  # fmt: skip
    annotated, failed = run([spectra[0], replace(spectra[0], **changes)], tiny_model, tiny_library)
    assert isinstance(annotated, Annotated)
    assert isinstance(failed, CannotAnnotate)
    assert failed.code == code
    assert len(failed.reason.split()) > 8


def test_the_result_states_that_the_adduct_was_assumed(
    spectra: list[Spectrum], tiny_model: GlmrModel, tiny_library: InMemoryLibrary
) -> None:
    without_adduct = replace(spectra[0], adduct=None, ion_mode="positive")
    (outcome,) = run_annotated(
        [without_adduct], tiny_model, tiny_library, assumed_adducts={"positive": "[M+H]+"}
    )
    assert outcome.adduct_assumed


def test_without_generation_candidates_keep_the_order_of_retrieval(
    spectra: list[Spectrum], tiny_model: GlmrModel, tiny_library: InMemoryLibrary
) -> None:
    for outcome in run_annotated(spectra, tiny_model, tiny_library, generate=False):
        assert outcome.generated == ()
        assert all(candidate.retrieval_rank == candidate.rank for candidate in outcome.candidates)
        assert "generate" not in outcome.timings_s


def test_without_use_candidates_the_decoder_reads_the_spectrum_only(
    spectra: list[Spectrum], tiny_model: GlmrModel, tiny_library: InMemoryLibrary
) -> None:
    def likelihoods(**changes: Any) -> list[float]:
        outcomes = run_annotated(spectra, tiny_model, tiny_library, **changes)
        return [outcome.generated[0].log_likelihood for outcome in outcomes]

    few = likelihoods(use_candidates=False, n_candidates=1)
    assert few == pytest.approx(likelihoods(use_candidates=False, n_candidates=40), abs=1e-4)
    assert few != pytest.approx(likelihoods(), abs=1e-4)


@pytest.mark.parametrize("n_candidates", [10, 80])
def test_the_number_of_candidates_is_free(
    n_candidates: int, spectra: list[Spectrum], tiny_model: GlmrModel, tiny_library: InMemoryLibrary
) -> None:
    run_annotated(spectra[:3], tiny_model, tiny_library, n_candidates=n_candidates)


def test_no_spectra_give_no_outcomes(tiny_model: GlmrModel, tiny_library: InMemoryLibrary) -> None:
    assert run([], tiny_model, tiny_library) == []


def test_on_stage_hears_each_stage_and_can_end_the_batch(
    spectra: list[Spectrum], tiny_model: GlmrModel, tiny_library: InMemoryLibrary
) -> None:
    started: list[str] = []

    def on_stage(name: str) -> None:
        started.append(name)
        if name == "generate":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        annotate(spectra, model=tiny_model, retrieve=tiny_library.retrieve, params=PARAMS, on_stage=on_stage)
    assert started == ["preprocess", "embed", "retrieve", "generate"]


def test_the_window_of_a_doubly_charged_ion_is_twice_as_wide(spectra: list[Spectrum]) -> None:
    single = window_of(spectra[0])
    double = window_of(replace(spectra[0], adduct="[M+2H]2+"))
    assert double.tolerance_da == pytest.approx(2 * single.tolerance_da)


def test_a_molecule_is_listed_once_from_its_best_beam() -> None:
    beams = [
        GeneratedMolecule(1, "CO", -1.0, smiles="CO", inchikey_first_block="A"),
        GeneratedMolecule(2, "((", -1.5),
        GeneratedMolecule(3, "OC", -2.0, smiles="CO", inchikey_first_block="A"),
        GeneratedMolecule(4, "))", -2.5),
    ]
    assert [molecule.beam_rank for molecule in distinct(beams)] == [1, 2, 4]


def test_molecules_in_the_library_are_marked_and_others_that_fit_are_proposed(
    spectra: list[Spectrum],
) -> None:
    generated = [
        make_generated("KEY0", 1.0),
        make_generated("OUTSIDE THE WINDOW", 2.0),
        make_generated("NEW", -9.0),
        make_generated("TOO HEAVY", 11.0),
    ]
    invalid = [GeneratedMolecule(1, "(", -1.0)]
    lookups: list[list[str]] = []

    def find_known(blocks: Sequence[str]) -> set[str]:
        lookups.append(list(blocks))
        return {"OUTSIDE THE WINDOW"}

    first = make_work(spectra[0], make_retrieved(0.5), generated)
    second = make_work(spectra[1], make_retrieved(0.5), invalid)
    mark_known([first, second], find_known, PARAMS)
    assert [molecule.in_library for molecule in first.generated] == [True, True, False, False]
    assert [molecule.is_proposed for molecule in first.generated] == [False, False, True, False]
    assert not second.generated[0].is_proposed
    # One lookup for the batch, without molecules that are candidates of the same spectrum
    assert lookups == [["NEW", "OUTSIDE THE WINDOW", "TOO HEAVY"]]


def test_without_find_known_only_candidates_of_the_same_spectrum_are_known(spectra: list[Spectrum]) -> None:
    works = [
        make_work(spectra[0], make_retrieved(0.5, 0.4), []),
        make_work(
            spectra[1], make_retrieved(0.5), [make_generated("KEY0", 1.0), make_generated("KEY1", 1.0)]
        ),
    ]
    mark_known(works, None, PARAMS)
    assert [molecule.in_library for molecule in works[1].generated] == [True, False]
    assert [molecule.is_proposed for molecule in works[1].generated] == [False, True]


def test_generated_rerank_sorts_by_similarity_to_generated_molecules(window: PrecursorWindow) -> None:
    generated = [
        GeneratedMolecule(1, "x", -1.0),  # the likeliest is not a molecule
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
