"""Predicted peaks: ions match peaks, scores do not depend on the batch, and training separates isomers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="networks need torch, which is not installed here")

import torch

from models_ml.evidence.fragment_table import fragment_table
from models_ml.evidence.fragments import StrongestPeaks, match_tolerance, strongest_peaks
from models_ml.evidence.ion_shares import N_CONDITIONS, IonBatch, PairIons, SpectrumPeaks, conditions
from models_ml.evidence.predicted_peaks import candidate_ions, spectrum_peaks, table_ions
from models_ml.evidence.predicted_spectrum import NoPrediction, predict_spectrum, read_weights
from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.networks.fragment_intensity import PredictedPeaksScorer
from models_ml.spectra.features import ENERGY_EV, adduct_index
from models_ml.spectra.spectrum import Spectrum
from models_ml.training.ranking.fragmenting import ListIons
from models_ml.training.ranking.predicted_peaks import fit_scorer
from models_ml.training.settings import PredictedPeaksSettings

ISOMERS = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "COC(=O)c1ccccc1C(=O)O",
    "O=C(O)Cc1ccc2c(c1)OCO2",
    "O=C(O)c1ccc(CC=O)c(O)c1",
]


def measured(smiles: str) -> tuple[StrongestPeaks, Spectrum]:
    spectrum = fragment_spectrum(smiles)
    assert spectrum.precursor_mz is not None
    intensity = (spectrum.intensity / spectrum.intensity.max()).astype(np.float32)
    return strongest_peaks(spectrum.mz.astype(np.float32), intensity, spectrum.precursor_mz), spectrum


def spectrum_and_ions(smiles: str, candidates: list[str]) -> tuple[SpectrumPeaks, list[PairIons]]:
    peaks, spectrum = measured(smiles)
    assert spectrum.precursor_mz is not None
    return (
        spectrum_peaks(peaks, 2, 0.3, 1, spectrum.precursor_mz),
        candidate_ions(peaks, candidates, "[M+H]+", spectrum.precursor_mz),
    )


@pytest.fixture
def scorer() -> PredictedPeaksScorer:
    torch.manual_seed(0)
    return PredictedPeaksScorer().eval()


def test_an_ion_matches_the_peak_at_its_mz() -> None:
    peaks, spectrum = measured(ISOMERS[0])
    assert spectrum.precursor_mz is not None
    (pair,) = candidate_ions(peaks, ISOMERS[:1], "[M+H]+", spectrum.precursor_mz)
    mz, exists = table_ions(pair.table, "[M+H]+", spectrum.precursor_mz)
    assert exists.ravel()[pair.ions].all()
    assert np.abs(mz.ravel()[pair.ions] - peaks.mz[pair.peaks]).max() <= 0.002 + 1e-9
    # The computed spectrum consists of such ions only.
    assert set(pair.peaks.tolist()) == set(range(len(peaks.mz)))


def test_only_fragments_of_a_metal_adduct_carry_the_metal() -> None:
    table = fragment_table(ISOMERS[0], False)
    _, sodium = table_ions(table, "[M+Na]+", 203.03)
    _, proton = table_ions(table, "[M+H]+", 181.05)
    assert sodium[:, 7:14].any()
    assert not proton[:, 7:14].any()


def test_scores_do_not_depend_on_the_batch(scorer: PredictedPeaksScorer) -> None:
    first, second = spectrum_and_ions(ISOMERS[0], ISOMERS), spectrum_and_ions(ISOMERS[1], ISOMERS[:2])
    with torch.inference_mode():
        together, _ = scorer(IonBatch.of([first[0], second[0]], [first[1], second[1]]))
        apart = [scorer(IonBatch.of([spectrum], [pairs]))[0] for spectrum, pairs in (first, second)]
    assert together.shape == (6,)
    assert torch.allclose(together, torch.cat(apart), atol=1e-4)


def test_a_candidate_that_is_not_a_structure_has_a_score(
    scorer: PredictedPeaksScorer,
) -> None:
    spectrum, pairs = spectrum_and_ions(ISOMERS[0], ["C(", ISOMERS[0]])
    with torch.inference_mode():
        assert torch.isfinite(scorer(IonBatch.of([spectrum], [pairs]))[0]).all()


def test_predicted_shares_of_all_peaks_add_up_to_at_most_one(scorer: PredictedPeaksScorer) -> None:
    spectrum, pairs = spectrum_and_ions(ISOMERS[0], ISOMERS)
    batch = IonBatch.of([spectrum], [pairs])
    with torch.inference_mode():
        of_peak, elsewhere = scorer.shares(batch)
    total = elsewhere.index_add(0, torch.from_numpy(batch.peak_pair), of_peak)
    assert (total > 0).all()
    assert (total <= 1 + 1e-5).all()


def test_training_learns_intensities_and_the_correct_isomer(scorer: PredictedPeaksScorer) -> None:
    lists = [ListIons(*spectrum_and_ions(isomer, ISOMERS), truth) for truth, isomer in enumerate(ISOMERS)]
    truths = [ListIons(ions.spectrum, [ions.pairs[ions.truth]], 0) for ions in lists]
    settings = PredictedPeaksSettings(
        likelihood_epochs=40, likelihood_batch=len(truths), epochs=20, batch_lists=len(lists)
    )
    trained = fit_scorer(truths, lists, settings, seed=0, rng=np.random.default_rng(0))
    batch = IonBatch.of([ions.spectrum for ions in truths], [ions.pairs for ions in truths])
    with torch.inference_mode():
        assert (trained(batch)[1] > scorer(batch)[1] + 0.3).all()
        for ions in lists:
            assert int(trained(IonBatch.of([ions.spectrum], [ions.pairs]))[0].argmax()) == ions.truth


def test_a_normalised_energy_is_more_volts_for_a_heavier_ion() -> None:
    volts, percent = conditions(2, 0.4, 1, 1000.0), conditions(2, 0.2, 2, 1000.0)
    assert volts.shape == (N_CONDITIONS,)
    assert np.allclose(volts[-4:], percent[-4:])


@pytest.mark.parametrize(("adduct", "anion"), [("[M+H]+", False), ("[M+Na]+", False), ("[M-H]-", True)])
def test_the_drawn_prediction_is_that_of_the_network(
    adduct: str, anion: bool, scorer: PredictedPeaksScorer
) -> None:
    """The web server computes it without torch."""
    weights = {name: tensor.numpy() for name, tensor in scorer.state_dict().items()}
    precursor_mz = 203.0315
    table = fragment_table(ISOMERS[0], anion)
    mz, exists = table_ions(table, adduct, precursor_mz)
    measured_at = conditions(adduct_index(adduct), 0.3, ENERGY_EV, precursor_mz)
    spectrum = SpectrumPeaks(measured_at, np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    nothing = np.zeros(0, np.int32)
    pair = PairIons(table, np.packbits(exists, axis=1), nothing, nothing.astype(np.uint8))
    batch = IonBatch.of([spectrum], [[pair]])
    with torch.inference_mode():
        strength = scorer.intensity(batch).exp().numpy() * exists
        _, elsewhere = scorer.shares(batch)

    predicted = predict_spectrum(weights, ISOMERS[0], adduct, precursor_mz, "30 eV", 30.0)

    assert predicted.share_of_fragments == pytest.approx(1 - float(elsewhere[0]), abs=1e-5)
    assert np.all(np.diff(predicted.mz) > 0)
    assert predicted.intensity.max() == 1.0
    strongest = float(mz.ravel()[int(np.argmax(strength))])
    tolerance = float(match_tolerance(np.array([strongest]))[0])
    merged = [strength[np.abs(mz - value) <= tolerance].sum() for value in predicted.mz]
    expected = (np.array(merged) / max(merged)) ** 2
    assert np.abs(predicted.intensity - expected).max() < 0.02  # ions at the edge of a merged peak
    assert np.abs(predicted.mz - strongest).min() <= tolerance


def test_a_checkpoint_that_is_missing_or_another_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoPrediction, match="not on this machine"):
        read_weights(str(tmp_path), "0" * 64)
    (tmp_path / "ranking.safetensors").write_bytes(b"other")
    with pytest.raises(NoPrediction, match="not the one of this result"):
        read_weights(str(tmp_path), "0" * 64)
