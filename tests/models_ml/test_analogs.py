"""The index of reference spectra: cosines, exclusion, one vote for each molecule, votes on candidates."""

from __future__ import annotations

import numpy as np
import pytest

from models_ml.evidence.analogs import ReferenceIndex, binned, propagate, tanimoto_matrix
from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.molecules.fingerprint import fingerprint_matrix, tanimoto
from models_ml.molecules.standardise import standardise
from models_ml.spectra.features import SpectrumFeatures, spectrum_features
from tests.tiny_checkpoint import MOLECULES

STANDARD = [standardise(smiles) for smiles in MOLECULES]
THEOPHYLLINE, THEOBROMINE = 3, 4


def features(smiles: str, energy: float = 20.0) -> SpectrumFeatures:
    spectrum = fragment_spectrum(smiles, collision_energy_ev=energy)
    return spectrum_features(spectrum, spectrum.adduct or "")


def make_features(*mz: float, precursor_mz: float = 500.0) -> SpectrumFeatures:
    peaks = np.array(mz, np.float32)
    return SpectrumFeatures(peaks, np.ones_like(peaks), precursor_mz, 2, 0.0, 0)


@pytest.fixture(scope="module")
def index() -> ReferenceIndex:
    """Two spectra of each molecule: references 2n and 2n + 1 belong to molecule n."""
    spectra = [features(smiles, energy) for smiles in MOLECULES for energy in (20.0, 40.0)]
    molecules = [molecule for molecule in STANDARD for _ in range(2)]
    fingerprints = fingerprint_matrix([molecule.fingerprint for molecule in molecules])
    return ReferenceIndex(spectra, fingerprints, [molecule.inchikey_first_block for molecule in molecules])


def test_similarities_are_cosines_of_the_binned_vectors(index: ReferenceIndex) -> None:
    query = features(MOLECULES[THEOBROMINE], 30.0)
    bins, weights = binned(query)
    expected = []
    for reference in index.features:
        others = dict(zip(*(values.tolist() for values in binned(reference)), strict=True))
        expected.append(sum(weight * others.get(key, 0.0) for key, weight in zip(bins, weights, strict=True)))
    assert index.similarities(query) == pytest.approx(expected)
    assert index.similarities(index.features[7])[7] == pytest.approx(1)


def test_molecules_of_other_mass_share_neutral_losses() -> None:
    """Each fragment of the second contains the part that differs: equal losses, no equal peaks."""
    first, shifted = make_features(90.0, 180.0, 290.0), make_features(104.0, 194.0, 304.0, precursor_mz=514.0)
    index = ReferenceIndex([shifted], np.zeros((1, 256), np.uint8), ["A"])
    assert index.similarities(first)[0] == pytest.approx(0.5)


def test_each_molecule_counts_once_and_excluded_molecules_do_not_count(index: ReferenceIndex) -> None:
    query = features(MOLECULES[THEOPHYLLINE])
    keys, cosines = index.analogs(query, 5)
    assert keys[0] == 2 * THEOPHYLLINE
    assert len({index.compounds[key] for key in keys}) == 5
    assert (np.diff(cosines) <= 0).all()
    assert cosines == pytest.approx(index.similarities(query)[keys])
    without, _ = index.analogs(query, 5, {STANDARD[THEOPHYLLINE].inchikey_first_block})
    assert not {2 * THEOPHYLLINE, 2 * THEOPHYLLINE + 1} & set(without.tolist())


def test_a_spectrum_without_similar_references_has_no_analogs_and_no_votes(index: ReferenceIndex) -> None:
    keys, cosines = index.analogs(make_features(), 5)
    assert len(keys) == len(cosines) == 0
    candidates = fingerprint_matrix([molecule.fingerprint for molecule in STANDARD])
    assert propagate(candidates, index.fingerprints[keys], cosines).tolist() == [0.0] * len(STANDARD)
    empty = ReferenceIndex([], np.zeros((0, 256), np.uint8), [])
    assert len(empty.analogs(features(MOLECULES[0]))[0]) == 0


def test_analogs_vote_for_similar_candidates() -> None:
    candidates = fingerprint_matrix([molecule.fingerprint for molecule in STANDARD])
    votes = propagate(candidates, candidates[[THEOPHYLLINE, 0]], np.array([0.9, 0.1]))
    assert votes.argmax() == THEOPHYLLINE
    expected = 0.9 + 0.1 * tanimoto(STANDARD[0].fingerprint, STANDARD[THEOPHYLLINE].fingerprint)
    assert votes[THEOPHYLLINE] == pytest.approx(expected)
    matrix = tanimoto_matrix(candidates, candidates)
    assert matrix[3, 4] == pytest.approx(tanimoto(STANDARD[3].fingerprint, STANDARD[4].fingerprint))


def test_inputs_of_different_lengths_raise() -> None:
    with pytest.raises(ValueError, match="1 spectra, 2 fingerprints"):
        ReferenceIndex([make_features(100.0)], np.zeros((2, 256), np.uint8), ["A"])
