"""`annotate` on features: several spectra of one ion give one result, and no match is an answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="annotation needs torch, which is not installed here")

from models_ml.inference.annotate import annotate
from models_ml.inference.checkpoint import GlmrModel, load_checkpoint
from models_ml.inference.memory_index import InMemoryLibrary
from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.molecules.standardise import standardise
from models_ml.outcomes import Annotated, AnnotateParams, CannotAnnotate, NoMatch, Outcome
from models_ml.spectra.feature import Feature
from models_ml.spectra.spectrum import Spectrum
from tests.tiny_checkpoint import MOLECULES

if TYPE_CHECKING:
    from collections.abc import Sequence

SHIPPED = Path(__file__).parents[2] / "models_ml" / "checkpoints" / "glmr-0.6"
# Isomers, so that every spectrum has several candidates.
ISOMERS = ["CC(C)Cc1ccc(C(C)C(=O)O)cc1", "CCCCc1ccc(CCC(=O)O)cc1", "CCCCCCOC(=O)c1ccccc1"]


@pytest.fixture(scope="module")
def model() -> GlmrModel:
    return load_checkpoint(SHIPPED)


@pytest.fixture(scope="module")
def library(model: GlmrModel) -> InMemoryLibrary:
    molecules = [standardise(smiles) for smiles in ISOMERS]
    return InMemoryLibrary(molecules, model.embed_molecules([molecule.smiles for molecule in molecules]))


@pytest.fixture(scope="module")
def spectrum() -> Spectrum:
    return fragment_spectrum(standardise(ISOMERS[0]).smiles)


@pytest.fixture(scope="module")
def members(spectrum: Spectrum) -> tuple[Spectrum, ...]:
    """The same ion at three energies: the whole spectrum, its light half and its heavy half."""
    light = spectrum.mz < np.median(spectrum.mz)
    return spectrum, part_of(spectrum, light), part_of(spectrum, ~light)


def part_of(spectrum: Spectrum, kept: np.ndarray[Any, np.dtype[np.bool_]]) -> Spectrum:
    return replace(spectrum, mz=spectrum.mz[kept], intensity=spectrum.intensity[kept])


def without_peaks(spectrum: Spectrum) -> Spectrum:
    return replace(spectrum, mz=np.array([]), intensity=np.array([]))


def run(
    inputs: Sequence[Spectrum | Feature], model: GlmrModel, library: InMemoryLibrary, **changes: Any
) -> list[Outcome]:
    params = AnnotateParams(**{"generate": False, "max_tokens": 24, **changes})
    return annotate(inputs, model=model, retrieve=library.retrieve, params=params)


def run_one(
    given: Spectrum | Feature, model: GlmrModel, library: InMemoryLibrary, **changes: Any
) -> Annotated:
    (outcome,) = run([given], model, library, **changes)
    assert isinstance(outcome, Annotated)
    return outcome


def without_timings(outcome: Annotated) -> Annotated:
    return replace(outcome, timings_s={})


@pytest.mark.parametrize("method", ["fused", "glmr"])
def test_a_feature_with_one_member_is_the_spectrum(
    method: str, spectrum: Spectrum, model: GlmrModel, library: InMemoryLibrary
) -> None:
    alone = run_one(spectrum, model, library, method=method, generate=True)
    feature = run_one(Feature((spectrum,)), model, library, method=method, generate=True)
    assert without_timings(alone) == without_timings(feature)
    (member,) = alone.members
    assert member.failure is None
    assert not member.evidence
    assert not member.probabilities
    if method == "fused":
        assert alone.confidence is not None
        assert member.top_key == alone.candidates[0].key
        assert member.p_right == member.top_probability == alone.confidence.p_right
        assert member.p_absent == alone.confidence.p_absent


def test_every_member_states_its_own_view_of_the_candidates(
    members: tuple[Spectrum, ...], model: GlmrModel, library: InMemoryLibrary
) -> None:
    outcome = run_one(Feature(members), model, library)
    keys = {candidate.key for candidate in outcome.candidates}
    assert [member.index for member in outcome.members] == [0, 1, 2]
    for member in outcome.members:
        assert set(member.probabilities) == set(member.evidence) == keys
        assert member.top_probability == max(member.probabilities.values())
        assert member.p_right == member.probabilities[outcome.candidates[0].key]
        assert member.p_absent is not None
        assert sum(member.probabilities.values()) + member.p_absent == pytest.approx(1, abs=1e-3)
        channels = {"fingerprint", "fragments", "fragment_coverage", "predicted", "embedding_similarity"}
        assert set(member.evidence[outcome.candidates[0].key]) == channels
    for candidate in outcome.candidates:
        mean = np.mean([member.evidence[candidate.key]["predicted"] for member in outcome.members])
        assert candidate.evidence["predicted"] == pytest.approx(mean, abs=1e-5)
    assert outcome.confidence is not None
    assert sum(candidate.probability or 0 for candidate in outcome.candidates) + (
        outcome.confidence.p_absent
    ) == pytest.approx(1, abs=1e-3)


def test_equal_members_agree_with_the_feature(
    spectrum: Spectrum, model: GlmrModel, library: InMemoryLibrary
) -> None:
    alone = run_one(spectrum, model, library)
    outcome = run_one(Feature((spectrum, spectrum)), model, library)
    assert [candidate.key for candidate in outcome.candidates] == [
        candidate.key for candidate in alone.candidates
    ]
    for member in outcome.members:
        assert member.top_probability == pytest.approx(alone.candidates[0].probability, abs=1e-4)


def test_the_order_of_members_does_not_matter(
    members: tuple[Spectrum, ...], model: GlmrModel, library: InMemoryLibrary
) -> None:
    forward = run_one(Feature(members), model, library)
    backward = run_one(Feature(members[::-1], representative=2), model, library)
    assert [candidate.key for candidate in forward.candidates] == [
        candidate.key for candidate in backward.candidates
    ]
    for one, other in zip(forward.candidates, backward.candidates, strict=True):
        assert one.probability == pytest.approx(other.probability, abs=1e-4)
        assert one.embedding_similarity == pytest.approx(other.embedding_similarity, abs=1e-5)
    tops = [member.top_key for member in forward.members]
    assert tops == [member.top_key for member in backward.members][::-1]


def test_a_batch_gives_the_same_as_its_features_alone(
    members: tuple[Spectrum, ...], model: GlmrModel, library: InMemoryLibrary
) -> None:
    heavy = fragment_spectrum(standardise(ISOMERS[2]).smiles)
    inputs: list[Spectrum | Feature] = [
        Feature(members),
        heavy,
        Feature((heavy, members[1])),
        replace(heavy, precursor_mz=999.0),
    ]
    for given, in_batch in zip(inputs, run(inputs, model, library, generate=True), strict=True):
        (alone,) = run([given], model, library, generate=True)
        assert type(alone) is type(in_batch)
        if isinstance(alone, Annotated) and isinstance(in_batch, Annotated):
            for candidate, other in zip(alone.candidates, in_batch.candidates, strict=True):
                assert candidate.key == other.key
                assert candidate.probability == pytest.approx(other.probability, abs=1e-4)
        if not isinstance(alone, CannotAnnotate) and not isinstance(in_batch, CannotAnnotate):
            assert [molecule.text for molecule in alone.generated] == [
                molecule.text for molecule in in_batch.generated
            ]


def test_a_member_that_cannot_be_used_does_not_sink_its_feature(
    members: tuple[Spectrum, ...], model: GlmrModel, library: InMemoryLibrary
) -> None:
    empty, sodium = without_peaks(members[0]), replace(members[0], adduct="[M+Na]+")
    with_bad = run_one(Feature((empty, *members, sodium), representative=1), model, library)
    without = run_one(Feature(members), model, library)
    failures = [member.failure.code if member.failure else "" for member in with_bad.members]
    assert failures == ["no_peaks", "", "", "", "other_adduct"]
    assert with_bad.members[0].top_key is None
    assert [candidate.probability for candidate in with_bad.candidates] == pytest.approx(
        [candidate.probability for candidate in without.candidates], abs=1e-4
    )


def test_a_feature_without_a_usable_member_cannot_be_annotated(
    spectrum: Spectrum, model: GlmrModel, library: InMemoryLibrary
) -> None:
    empty = without_peaks(spectrum)
    (outcome,) = run([Feature((empty, empty))], model, library)
    assert isinstance(outcome, CannotAnnotate)
    assert outcome.code == "no_peaks"


@pytest.mark.parametrize("generate", [True, False])
def test_no_match_is_an_answer_with_what_the_decoder_wrote(
    generate: bool, tiny_model: GlmrModel, tiny_library: InMemoryLibrary
) -> None:
    spectrum = fragment_spectrum(MOLECULES[0])
    outcomes = annotate(
        [replace(spectrum, precursor_mz=1999.0), Feature((spectrum, spectrum))],
        model=tiny_model,
        retrieve=tiny_library.retrieve,
        params=AnnotateParams(max_tokens=40, generate=generate),
    )
    no_match, annotated = outcomes
    assert isinstance(annotated, Annotated)
    assert isinstance(no_match, NoMatch)
    assert no_match.code == "no_candidates"
    assert "no molecule of 1997.99" in no_match.reason
    assert no_match.neutral_mass == pytest.approx(1997.9927, abs=1e-3)
    assert no_match.tolerance_da == pytest.approx(0.01999)
    assert not no_match.adduct_assumed
    assert bool(no_match.generated) == generate
    assert [member.failure for member in no_match.members] == [None]


def test_a_molecule_of_the_right_mass_is_proposed_where_the_library_has_none(
    spectrum: Spectrum, model: GlmrModel
) -> None:
    """The decoder reads the spectrum alone. What it writes rarely fits, so any that does is proposed."""
    empty = InMemoryLibrary([], np.zeros((0, model.embedding_dim), np.float32))
    (outcome,) = run([spectrum], model, empty, generate=True, max_tokens=64, precursor_tolerance_ppm=5e5)
    assert isinstance(outcome, NoMatch)
    fitting = [molecule for molecule in outcome.generated if molecule.fits(5e5)]
    assert fitting
    assert all(molecule.is_proposed and not molecule.in_library for molecule in fitting)
