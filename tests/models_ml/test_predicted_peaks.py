"""Predicted peaks: which ions meet which peaks, that a batch changes no score, that isomers are learnt."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="networks need torch, which is not installed here")

import torch

from models_ml.evidence.fragments import Strongest, strongest_peaks
from models_ml.evidence.ion_shares import N_CONDITIONS, IonBatch, PairIons, SpectrumPeaks, conditions
from models_ml.evidence.predicted_peaks import (
    candidate_ions,
    fragment_table,
    ion_places,
    spectrum_peaks,
)
from models_ml.molecules.fragmentation import fragment_spectrum
from models_ml.networks.fragment_intensity import PredictedPeaksScorer
from models_ml.spectra.spectrum import Spectrum
from models_ml.training.ranking.fragmenting import Judged
from models_ml.training.ranking.predicted_peaks import PredictedPeaksChoices, fit_scorer

ISOMERS = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "COC(=O)c1ccccc1C(=O)O",
    "O=C(O)Cc1ccc2c(c1)OCO2",
    "O=C(O)c1ccc(CC=O)c(O)c1",
]


def measured(smiles: str) -> tuple[Strongest, Spectrum]:
    spectrum = fragment_spectrum(smiles)
    assert spectrum.precursor_mz is not None
    intensity = (spectrum.intensity / spectrum.intensity.max()).astype(np.float32)
    return strongest_peaks(spectrum.mz.astype(np.float32), intensity, spectrum.precursor_mz), spectrum


def question(smiles: str, candidates: list[str]) -> tuple[SpectrumPeaks, list[PairIons]]:
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


def test_an_ion_meets_the_peak_at_its_mz() -> None:
    peaks, spectrum = measured(ISOMERS[0])
    assert spectrum.precursor_mz is not None
    (pair,) = candidate_ions(peaks, ISOMERS[:1], "[M+H]+", spectrum.precursor_mz)
    mz, exists = ion_places(pair.table, "[M+H]+", spectrum.precursor_mz)
    assert exists.ravel()[pair.ions].all()
    assert np.abs(mz.ravel()[pair.ions] - peaks.mz[pair.peaks]).max() <= 0.002 + 1e-9
    # The computed spectrum holds nothing but such ions.
    assert set(pair.peaks.tolist()) == set(range(len(peaks.mz)))


def test_a_metal_stays_on_fragments_of_its_adduct_only() -> None:
    table = fragment_table(ISOMERS[0], False)
    _, sodium = ion_places(table, "[M+Na]+", 203.03)
    _, proton = ion_places(table, "[M+H]+", 181.05)
    assert sodium[:, 7:14].any()
    assert not proton[:, 7:14].any()


def test_a_batch_changes_no_score(scorer: PredictedPeaksScorer) -> None:
    first, second = question(ISOMERS[0], ISOMERS), question(ISOMERS[1], ISOMERS[:2])
    with torch.inference_mode():
        together = scorer(IonBatch.of([first[0], second[0]], [first[1], second[1]]))
        apart = [scorer(IonBatch.of([one], [pairs])) for one, pairs in (first, second)]
    assert together.shape == (6,)
    assert torch.allclose(together, torch.cat(apart), atol=1e-4)


def test_what_is_no_structure_and_a_spectrum_that_meets_nothing_have_a_score(
    scorer: PredictedPeaksScorer,
) -> None:
    spectrum, pairs = question(ISOMERS[0], ["C(", ISOMERS[0]])
    with torch.inference_mode():
        assert torch.isfinite(scorer(IonBatch.of([spectrum], [pairs]))).all()


def test_shares_of_all_peaks_and_elsewhere_are_at_most_one(scorer: PredictedPeaksScorer) -> None:
    spectrum, pairs = question(ISOMERS[0], ISOMERS)
    batch = IonBatch.of([spectrum], [pairs])
    with torch.inference_mode():
        of_peak, elsewhere = scorer.shares(batch)
    total = elsewhere.index_add(0, torch.from_numpy(batch.peak_pair), of_peak)
    assert (total > 0).all()
    assert (total <= 1 + 1e-5).all()


def test_intensities_and_the_right_isomer_are_learnt(scorer: PredictedPeaksScorer) -> None:
    judged = [Judged(*question(one, ISOMERS), truth) for truth, one in enumerate(ISOMERS)]
    alone = [Judged(one.spectrum, [one.pairs[one.truth]], 0) for one in judged]
    choices = PredictedPeaksChoices(
        likelihood_epochs=40, likelihood_batch=len(alone), epochs=20, batch_lists=len(judged)
    )
    learnt = fit_scorer(alone, judged, choices, seed=0, rng=np.random.default_rng(0))
    batch = IonBatch.of([one.spectrum for one in alone], [one.pairs for one in alone])
    with torch.inference_mode():
        assert (learnt.judge(batch)[1] > scorer.judge(batch)[1] + 0.3).all()
        for one in judged:
            assert int(learnt(IonBatch.of([one.spectrum], [one.pairs])).argmax()) == one.truth


def test_a_normalised_energy_stands_for_more_volts_on_a_heavier_ion() -> None:
    volts, percent = conditions(2, 0.4, 1, 1000.0), conditions(2, 0.2, 2, 1000.0)
    assert volts.shape == (N_CONDITIONS,)
    assert np.allclose(volts[-4:], percent[-4:])
