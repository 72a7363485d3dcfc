"""`annotate` on computed spectra: results, reasons for failure, and independence of the batch."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="annotation needs torch, which is not installed here")

from models_ml.inference.annotate import annotate
from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.molecules.standardise import standardise
from models_ml.outcomes import (
    Annotated,
    AnnotateParams,
    CannotAnnotate,
    Outcome,
    Retrieved,
)
from models_ml.spectra.precursor_window import PrecursorWindow, mass_window
from models_ml.spectra.spectrum import Spectrum
from tests.tiny_checkpoint import MOLECULES

if TYPE_CHECKING:
    from models_ml.inference.checkpoint import GlmrModel
    from models_ml.inference.memory_index import InMemoryLibrary

PARAMS = AnnotateParams(max_tokens=40)


@pytest.fixture(scope="module")
def spectra() -> list[Spectrum]:
    return [fragment_spectrum(smiles) for smiles in MOLECULES[:10]]


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
        assert set(outcome.timings_s) == {"preprocess", "embed", "retrieve", "generate", "rerank", "formulas"}


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


def test_molecules_that_the_whole_library_holds_are_not_proposed(
    spectra: list[Spectrum], tiny_model: GlmrModel, tiny_library: InMemoryLibrary
) -> None:
    outcomes = annotate(
        spectra, model=tiny_model, retrieve=tiny_library.retrieve, params=PARAMS, find_known=set
    )
    for outcome in outcomes:
        assert isinstance(outcome, Annotated)
        for molecule in outcome.generated:
            assert molecule.in_library == molecule.is_valid
            assert not molecule.is_proposed


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
