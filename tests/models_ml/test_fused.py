"""The fused ranking with the shipped checkpoint: order, probabilities, and independence of the batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="networks need torch, which is not installed here")

from models_ml.evidence.analogs import ReferenceIndex
from models_ml.evidence.fragments import explain_candidates, strongest_peaks
from models_ml.evidence.peak_bins import NO_BIN, BinVocabulary
from models_ml.inference.annotate import annotate
from models_ml.inference.checkpoint import GlmrModel, load_checkpoint
from models_ml.inference.memory_index import InMemoryLibrary
from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.molecules.standardise import standardise
from models_ml.outcomes import Annotated, AnnotateParams
from models_ml.ranking.fuse import abstains
from models_ml.spectra.features import spectrum_features
from models_ml.spectra.spectrum import Spectrum

SHIPPED = Path(__file__).parents[2] / "models_ml" / "checkpoints" / "glmr-0.6"
# Isomers of two formulas, so that every spectrum has several candidates.
ISOMERS = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "COC(=O)c1ccccc1C(=O)O",
    "O=C(O)Cc1ccc2c(c1)OCO2",
    "CC(C)Cc1ccc(C(C)C(=O)O)cc1",
    "CCCCc1ccc(CCC(=O)O)cc1",
    "CCCCCCOC(=O)c1ccccc1",
]


@pytest.fixture(scope="module")
def model() -> GlmrModel:
    return load_checkpoint(SHIPPED)


@pytest.fixture(scope="module")
def library(model: GlmrModel) -> InMemoryLibrary:
    molecules = [standardise(smiles) for smiles in ISOMERS]
    return InMemoryLibrary(molecules, model.embed_molecules([molecule.smiles for molecule in molecules]))


@pytest.fixture(scope="module")
def spectra() -> list[Spectrum]:
    return [fragment_spectrum(standardise(smiles).smiles) for smiles in ISOMERS]


def run(
    spectra: list[Spectrum],
    model: GlmrModel,
    library: InMemoryLibrary,
    references: ReferenceIndex | None = None,
    method: str = "fused",
) -> list[Annotated]:
    outcomes = annotate(
        spectra,
        model=model,
        retrieve=library.retrieve,
        params=AnnotateParams(method=method, max_tokens=24),
        references=references,
    )
    return [outcome for outcome in outcomes if isinstance(outcome, Annotated)]


def test_probabilities_sort_the_candidates_and_sum_to_one(
    model: GlmrModel, library: InMemoryLibrary, spectra: list[Spectrum]
) -> None:
    for outcome in run(spectra, model, library):
        assert outcome.confidence is not None
        stated = [candidate.probability for candidate in outcome.candidates]
        probabilities = [probability for probability in stated if probability is not None]
        assert len(probabilities) == len(outcome.candidates) == 3
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) + outcome.confidence.p_absent == pytest.approx(1, abs=1e-3)
        assert outcome.confidence.p_right == probabilities[0] <= outcome.confidence.p_close
        channels = {"fingerprint", "fragments", "fragment_coverage", "predicted"}
        assert set(outcome.candidates[0].evidence) == channels


def test_fragments_distinguish_isomers(
    model: GlmrModel, library: InMemoryLibrary, spectra: list[Spectrum]
) -> None:
    """Spectra computed from fragments are easy: most molecules must be ranked first."""
    first = [outcome.candidates[0].smiles for outcome in run(spectra, model, library)]
    assert sum(found == standardise(smiles).smiles for found, smiles in zip(first, ISOMERS, strict=True)) >= 4


def test_a_batch_gives_the_same_as_its_spectra_alone(
    model: GlmrModel, library: InMemoryLibrary, spectra: list[Spectrum]
) -> None:
    for spectrum, in_batch in zip(spectra, run(spectra, model, library), strict=True):
        (alone,) = run([spectrum], model, library)
        for candidate, other in zip(in_batch.candidates, alone.candidates, strict=True):
            assert candidate.key == other.key
            assert candidate.probability == pytest.approx(other.probability, abs=1e-4)


def test_reference_spectra_add_the_channel_analogs(
    model: GlmrModel, library: InMemoryLibrary, spectra: list[Spectrum]
) -> None:
    molecules = [standardise(smiles) for smiles in ISOMERS]
    index = ReferenceIndex(
        [spectrum_features(spectrum, "[M+H]+") for spectrum in spectra],
        np.stack([np.frombuffer(molecule.fingerprint, np.uint8) for molecule in molecules]),
        [molecule.inchikey_first_block for molecule in molecules],
    )
    outcome = run(spectra[:1], model, library, index)[0]
    assert "analogs" in outcome.candidates[0].evidence
    assert outcome.candidates[0].smiles == molecules[0].smiles


def test_method_glmr_gives_no_probabilities(
    model: GlmrModel, library: InMemoryLibrary, spectra: list[Spectrum]
) -> None:
    outcome = run(spectra[:1], model, library, method="glmr")[0]
    assert outcome.confidence is None
    assert outcome.candidates[0].probability is None


def test_bins_outside_the_vocabulary_become_no_bin() -> None:
    vocabulary = BinVocabulary((np.array([1000]), np.array([500]), np.array([5000]), np.array([2500])))
    tokens = vocabulary.tokens(np.array([100.05, 77.7], np.float32), np.array([150.06, 150.06]))
    assert tokens[0, 0] == 1
    assert (tokens[1] == NO_BIN).all()
    assert len(vocabulary) == 5


def test_a_molecule_explains_the_peaks_of_its_fragments() -> None:
    molecule = standardise(ISOMERS[3])
    spectrum = fragment_spectrum(molecule.smiles)
    features = spectrum_features(spectrum, "[M+H]+")
    peaks = strongest_peaks(features.mz, features.intensity, features.precursor_mz)
    own, none = explain_candidates(peaks, [molecule.smiles, "C"], [molecule.formula, "CH4"], "[M+H]+")
    assert own.unexplained < 0.05
    assert own.possible > 0.9
    assert none.unexplained == 1.0


def test_abstention_weighs_absence_against_rank_1() -> None:
    assert not abstains(p_right=0.9, p_absent=0.03)  # absence is as likely as the prior
    assert not abstains(p_right=0.2, p_absent=0.01)
    assert abstains(p_right=0.2, p_absent=0.03)
    assert abstains(p_right=0.5, p_absent=0.2)
    assert abstains(p_right=0.0, p_absent=1.0)
