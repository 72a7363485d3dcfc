"""The fused ranking: its file, its order, its probabilities, and that a batch changes nothing."""

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
# Isomers of two formulas, so that every spectrum has something to choose from.
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
    molecules = [standardise(one) for one in ISOMERS]
    return InMemoryLibrary(molecules, model.embed_molecules([one.smiles for one in molecules]))


@pytest.fixture(scope="module")
def spectra() -> list[Spectrum]:
    return [fragment_spectrum(standardise(one).smiles) for one in ISOMERS]


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
    return [one for one in outcomes if isinstance(one, Annotated)]


def test_probabilities_order_the_candidates_and_sum_to_one(
    model: GlmrModel, library: InMemoryLibrary, spectra: list[Spectrum]
) -> None:
    for outcome in run(spectra, model, library):
        probabilities = [one.probability for one in outcome.candidates]
        assert outcome.confidence is not None
        known = [one for one in probabilities if one is not None]
        assert len(known) == len(outcome.candidates) == 3
        assert known == sorted(known, reverse=True)
        assert sum(known) + outcome.confidence.p_absent == pytest.approx(1, abs=1e-3)
        assert outcome.confidence.p_right == known[0] <= outcome.confidence.p_close
        assert set(outcome.candidates[0].evidence) == {"fingerprint", "fragments", "fragment_coverage", "predicted"}


def test_fragments_tell_isomers_apart(
    model: GlmrModel, library: InMemoryLibrary, spectra: list[Spectrum]
) -> None:
    """Spectra computed from fragments are the easiest there are: most must be found."""
    first = [one.candidates[0].smiles for one in run(spectra, model, library)]
    right = sum(found == standardise(smiles).smiles for found, smiles in zip(first, ISOMERS, strict=True))
    assert right >= 4


def test_a_batch_gives_what_its_spectra_give_alone(
    model: GlmrModel, library: InMemoryLibrary, spectra: list[Spectrum]
) -> None:
    together = run(spectra, model, library)
    alone = [run([one], model, library)[0] for one in spectra]
    for left, right in zip(together, alone, strict=True):
        assert [one.key for one in left.candidates] == [one.key for one in right.candidates]
        for one, other in zip(left.candidates, right.candidates, strict=True):
            assert one.probability == pytest.approx(other.probability, abs=1e-4)


def test_references_speak_as_analogs(
    model: GlmrModel, library: InMemoryLibrary, spectra: list[Spectrum]
) -> None:
    molecules = [standardise(one) for one in ISOMERS]
    index = ReferenceIndex(
        [spectrum_features(one, "[M+H]+") for one in spectra],
        np.stack([np.frombuffer(one.fingerprint, np.uint8) for one in molecules]),
        [one.inchikey_first_block for one in molecules],
    )
    outcome = run(spectra[:1], model, library, index)[0]
    assert "analogs" in outcome.candidates[0].evidence
    assert outcome.candidates[0].smiles == molecules[0].smiles


def test_the_papers_method_gives_no_probability(
    model: GlmrModel, library: InMemoryLibrary, spectra: list[Spectrum]
) -> None:
    outcome = run(spectra[:1], model, library, method="glmr")[0]
    assert outcome.confidence is None
    assert outcome.candidates[0].probability is None


def test_unknown_bins_are_no_bin() -> None:
    vocabulary = BinVocabulary((np.array([1000]), np.array([500]), np.array([5000]), np.array([2500])))
    tokens = vocabulary.tokens(np.array([100.05, 77.7], np.float32), np.array([150.06, 150.06]))
    assert tokens[0, 0] == 1
    assert (tokens[1] == NO_BIN).all()
    assert len(vocabulary) == 5


def test_a_molecule_explains_its_own_fragments() -> None:
    molecule = standardise(ISOMERS[3])
    spectrum = fragment_spectrum(molecule.smiles)
    features = spectrum_features(spectrum, "[M+H]+")
    peaks = strongest_peaks(features.mz, features.intensity, features.precursor_mz)
    own, none = explain_candidates(peaks, [molecule.smiles, "C"], [molecule.formula, "CH4"], "[M+H]+")
    assert own.unexplained < 0.05
    assert own.possible > 0.9
    assert none.unexplained == 1.0


def test_absence_is_weighed_against_the_first_candidate() -> None:
    assert not abstains(p_right=0.9, p_absent=0.03)  # as likely absent as before the spectrum was seen
    assert not abstains(p_right=0.2, p_absent=0.01)
    assert abstains(p_right=0.2, p_absent=0.03)
    assert abstains(p_right=0.5, p_absent=0.2)
    assert abstains(p_right=0.0, p_absent=1.0)
