"""The whole method on computed spectra: answers, reasons, and independence of the batch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="annotating needs torch, which is not installed here")

from models_ml.inference.annotate import annotate, distinct, mark_known
from models_ml.inference.rerank import rank_candidates
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
from models_ml.spectra.precursor_window import PreparedSpectrum, prepare_spectrum
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
def reading_model(tiny_model: GlmrModel) -> GlmrModel:
    """The tiny model with a decoder that reads two candidates token by token."""
    from models_ml.inference.checkpoint import GlmrModel

    network = copy.deepcopy(tiny_model.network)
    network.replace_fusion("cross", 2)
    return GlmrModel(network, tiny_model.tokenizer, tiny_model.info, "cpu")


def run(spectra: list[Spectrum], model: GlmrModel, library: InMemoryLibrary, **changes: Any) -> list[Outcome]:
    params = replace(PARAMS, **changes)
    return annotate(spectra, model=model, retrieve=library.retrieve, params=params)


def test_every_spectrum_is_answered(
    spectra: list[Spectrum], tiny_model: GlmrModel, tiny_library: InMemoryLibrary
) -> None:
    for smiles, outcome in zip(MOLECULES, run(spectra, tiny_model, tiny_library), strict=False):
        assert isinstance(outcome, Annotated)
        assert outcome.adduct == "[M+H]+"
        assert not outcome.adduct_assumed
        key = standardise(smiles).inchikey_first_block
        assert key in {candidate.inchikey_first_block for candidate in outcome.candidates}
        assert [candidate.rank for candidate in outcome.candidates] == list(
            range(1, len(outcome.candidates) + 1)
        )
        assert all(abs(candidate.mass_error_ppm) < 10 for candidate in outcome.candidates)
        beam_ranks = [molecule.beam_rank for molecule in outcome.generated]
        assert beam_ranks == sorted(set(beam_ranks))
        assert set(beam_ranks) <= {1, 2, 3, 4, 5}
        assert set(outcome.timings_s) == {"preprocess", "embed", "retrieve", "generate", "rerank"}


@pytest.mark.parametrize("reads", [False, True])
def test_a_batch_gives_what_its_spectra_give_alone(
    reads: bool,
    spectra: list[Spectrum],
    tiny_model: GlmrModel,
    reading_model: GlmrModel,
    tiny_library: InMemoryLibrary,
) -> None:
    model = reading_model if reads else tiny_model
    together = run(spectra, model, tiny_library)
    for spectrum, outcome in zip(spectra, together, strict=True):
        (alone,) = run([spectrum], model, tiny_library)
        assert isinstance(alone, Annotated)
        assert isinstance(outcome, Annotated)
        assert [c.key for c in alone.candidates] == [c.key for c in outcome.candidates]
        assert [c.generated_similarity for c in alone.candidates] == pytest.approx(
            [c.generated_similarity for c in outcome.candidates], abs=1e-4
        )
        assert [g.text for g in alone.generated] == [g.text for g in outcome.generated]


def test_the_library_is_asked_once_a_batch(
    spectra: list[Spectrum], tiny_model: GlmrModel, tiny_library: InMemoryLibrary
) -> None:
    calls: list[int] = []

    def retrieve(queries: Any, k: int) -> list[Retrieved]:
        calls.append(len(queries))
        return tiny_library.retrieve(queries, k)

    bad = replace(spectra[0], precursor_mz=None)
    outcomes = annotate([*spectra, bad], model=tiny_model, retrieve=retrieve, params=PARAMS)
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
def test_a_spectrum_that_cannot_be_annotated_says_why(
    changes: dict[str, Any], code: str, spectra: list[Spectrum], tiny_model: GlmrModel,
    tiny_library: InMemoryLibrary,
) -> None:  # fmt: skip
    good, bad = run([spectra[0], replace(spectra[0], **changes)], tiny_model, tiny_library)
    assert isinstance(good, Annotated)
    assert isinstance(bad, CannotAnnotate)
    assert bad.code == code
    assert len(bad.reason.split()) > 8


def test_an_assumed_adduct_is_said(
    spectra: list[Spectrum], tiny_model: GlmrModel, tiny_library: InMemoryLibrary
) -> None:
    silent = replace(spectra[0], adduct=None, ion_mode="positive")
    (outcome,) = run([silent], tiny_model, tiny_library, assumed_adducts={"positive": "[M+H]+"})
    assert isinstance(outcome, Annotated)
    assert outcome.adduct_assumed


def test_without_generation_the_order_of_retrieval_stays(
    spectra: list[Spectrum], tiny_model: GlmrModel, tiny_library: InMemoryLibrary
) -> None:
    for outcome in run(spectra, tiny_model, tiny_library, generate=False):
        assert isinstance(outcome, Annotated)
        assert outcome.generated == ()
        assert [one.retrieval_rank for one in outcome.candidates] == [one.rank for one in outcome.candidates]
        assert "generate" not in outcome.timings_s


def test_without_candidates_the_decoder_hears_of_the_spectrum_alone(
    spectra: list[Spectrum], tiny_model: GlmrModel, tiny_library: InMemoryLibrary
) -> None:
    likelihoods = []
    for n_candidates in (1, 40):
        outcomes = run(spectra, tiny_model, tiny_library, use_candidates=False, n_candidates=n_candidates)
        likelihoods.append(
            [one.generated[0].log_likelihood for one in outcomes if isinstance(one, Annotated)]
        )
    assert likelihoods[0] == pytest.approx(likelihoods[1], abs=1e-4)
    with_them = [one.generated[0].log_likelihood for one in run(spectra, tiny_model, tiny_library)
                 if isinstance(one, Annotated)]  # fmt: skip
    assert likelihoods[0] != pytest.approx(with_them, abs=1e-4)


@pytest.mark.parametrize("n_candidates", [10, 80])
def test_any_number_of_candidates_will_do(
    n_candidates: int, spectra: list[Spectrum], tiny_model: GlmrModel, tiny_library: InMemoryLibrary
) -> None:
    for outcome in run(spectra[:3], tiny_model, tiny_library, n_candidates=n_candidates):
        assert isinstance(outcome, Annotated)


def test_a_molecule_is_listed_once_as_its_best_beam_wrote_it() -> None:
    beams = [
        GeneratedMolecule(1, "CO", -1.0, smiles="CO", inchikey_first_block="A"),
        GeneratedMolecule(2, "((", -1.5),
        GeneratedMolecule(3, "OC", -2.0, smiles="CO", inchikey_first_block="A"),
        GeneratedMolecule(4, "))", -2.5),
    ]
    assert [one.beam_rank for one in distinct(beams)] == [1, 2, 4]


def test_what_the_library_holds_is_marked_and_what_it_lacks_proposed_if_it_fits() -> None:
    def beam(block: str, ppm: float) -> GeneratedMolecule:
        return GeneratedMolecule(1, "x", -1.0, smiles="x", inchikey_first_block=block, mass_error_ppm=ppm)

    beams = [beam("KEY0", 1.0), beam("ELSEWHERE", 300.0), beam("NEW", -9.0), beam("HEAVY", 11.0)]
    asked: list[list[str]] = []

    def find_known(blocks: Sequence[str]) -> set[str]:
        asked.append(list(blocks))
        return {"ELSEWHERE"}

    marked = mark_known(
        [beams, [GeneratedMolecule(1, "(", -1.0)]], [make_retrieved(0.5)] * 2, find_known, PARAMS
    )
    assert [one.in_library for one in marked[0]] == [True, True, False, False]
    assert [one.is_proposed for one in marked[0]] == [False, False, True, False]
    assert not marked[1][0].is_proposed
    assert asked == [["ELSEWHERE", "HEAVY", "NEW"]]  # once a batch, and only what the window has not shown
    (unasked,) = mark_known([beams], [make_retrieved(0.5)], None, PARAMS)
    assert [one.in_library for one in unasked] == [True, False, False, False]


def test_no_spectra_give_no_outcomes(tiny_model: GlmrModel, tiny_library: InMemoryLibrary) -> None:
    assert run([], tiny_model, tiny_library) == []


def test_stages_are_announced_and_can_end_the_batch(
    spectra: list[Spectrum], tiny_model: GlmrModel, tiny_library: InMemoryLibrary
) -> None:
    heard: list[str] = []

    def on_stage(name: str) -> None:
        heard.append(name)
        if name == "generate":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        annotate(spectra, model=tiny_model, retrieve=tiny_library.retrieve, params=PARAMS, on_stage=on_stage)
    assert heard == ["preprocess", "embed", "retrieve", "generate"]


def test_the_window_of_a_doubly_charged_ion_is_twice_as_wide(spectra: list[Spectrum]) -> None:
    single = prepare_spectrum(spectra[0], PARAMS, max_peaks=64)
    double = prepare_spectrum(replace(spectra[0], adduct="[M+2H]2+"), PARAMS, max_peaks=64)
    assert isinstance(single, PreparedSpectrum)
    assert isinstance(double, PreparedSpectrum)
    assert double.tolerance_da == pytest.approx(2 * single.tolerance_da)


def make_retrieved(*similarities: float) -> Retrieved:
    axes = np.eye(4, dtype=np.float32)
    molecules = tuple(
        RetrievedMolecule(10 + n, f"C{n}", f"KEY{n}", "CH4", 100.0, axes[n], similarity)
        for n, similarity in enumerate(similarities)
    )
    return Retrieved(molecules, len(molecules))


def test_candidates_follow_the_generated_molecules(spectra: list[Spectrum]) -> None:
    question = prepare_spectrum(spectra[0], PARAMS, max_peaks=64)
    assert isinstance(question, PreparedSpectrum)
    axes = np.eye(4, dtype=np.float32)
    beams = [
        GeneratedMolecule(1, "x", -1.0),  # the likeliest is no molecule
        GeneratedMolecule(2, "c", -2.0, smiles="c"),
        GeneratedMolecule(3, "b", -3.0, smiles="b"),
    ]
    embeddings = {"c": axes[2], "b": 0.6 * axes[1] + 0.8 * axes[3]}
    paper = replace(PARAMS, rerank="generated")
    ranked = rank_candidates(question, make_retrieved(0.9, 0.8, 0.7), beams, embeddings, paper)
    assert [candidate.key for candidate in ranked] == [12, 11, 10]
    assert [candidate.retrieval_rank for candidate in ranked] == [3, 2, 1]


def test_a_blend_weighs_retrieval_against_generation(spectra: list[Spectrum]) -> None:
    question = prepare_spectrum(spectra[0], PARAMS, max_peaks=64)
    assert isinstance(question, PreparedSpectrum)
    retrieved = make_retrieved(0.9, 0.8, 0.4)
    embeddings = {"b": np.eye(4, dtype=np.float32)[1], "c": np.eye(4, dtype=np.float32)[2]}

    def order(text: str, weight: float) -> list[int]:
        params = replace(PARAMS, rerank="blend", rerank_weight=weight)
        beams = [GeneratedMolecule(1, text, -1.0, smiles=text)]
        return [one.key for one in rank_candidates(question, retrieved, beams, embeddings, params)]

    assert order("b", 0.0) == [10, 11, 12]
    assert order("b", 0.5) == [11, 10, 12]  # near in retrieval: generation decides
    assert order("c", 0.5) == [10, 11, 12]  # far: it does not
    assert order("c", 5.0) == [12, 10, 11]


def test_without_a_valid_beam_the_order_of_retrieval_stays(spectra: list[Spectrum]) -> None:
    question = prepare_spectrum(spectra[0], PARAMS, max_peaks=64)
    assert isinstance(question, PreparedSpectrum)
    beams = [GeneratedMolecule(1, "(", -1.0)]
    ranked = rank_candidates(question, make_retrieved(0.9, 0.8, 0.8), beams, {}, PARAMS)
    assert [candidate.key for candidate in ranked] == [10, 11, 12]
    assert {candidate.generated_similarity for candidate in ranked} == {None}
