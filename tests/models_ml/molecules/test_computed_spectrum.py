"""Computed spectra are plausible and repeatable, and state that they are computed."""

from __future__ import annotations

import time

import numpy as np
import pytest

from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.molecules.structure_text import UnusableStructure

VERAPAMIL = "COc1ccc(CCN(C)CCCC(C#N)(c2ccc(OC)c(OC)c2)C(C)C)cc1OC"
CAFFEINE = "Cn1cnc2c1c(=O)n(C)c(=O)n2C"
DICLOFENAC = "O=C(O)Cc1ccccc1Nc1c(Cl)cccc1Cl"


@pytest.mark.parametrize("adduct", ["[M+H]+", "[M-H]-", "[M+Na]+", "[M+NH4]+", "[M+HCOO]-", "[M]+"])
@pytest.mark.parametrize("smiles", [VERAPAMIL, CAFFEINE, DICLOFENAC, "C", "O", "CCO"])
def test_every_computed_spectrum_is_valid(smiles: str, adduct: str) -> None:
    spectrum = fragment_spectrum(smiles, adduct)
    assert spectrum.n_peaks >= 1
    assert np.isfinite(spectrum.mz).all()
    assert (np.diff(spectrum.mz) > 0).all()
    assert (spectrum.intensity > 0).all()
    assert spectrum.intensity.max() == pytest.approx(999)
    assert spectrum.precursor_mz is not None
    assert spectrum.mz.max() <= spectrum.precursor_mz * (1 + 1e-5)
    assert spectrum.adduct == adduct
    assert spectrum.ion_mode == ("positive" if adduct.endswith("+") else "negative")


def test_a_computed_spectrum_states_that_it_is_computed() -> None:
    spectrum = fragment_spectrum(CAFFEINE)
    assert "Computed" in spectrum.title
    assert spectrum.instrument_type == "computed"
    assert "not measured" in spectrum.metadata["COMMENT"]
    assert spectrum.precursor_mz == pytest.approx(195.08765, abs=1e-4)


def test_equal_arguments_give_equal_peaks_and_the_seed_changes_little() -> None:
    first, again, other = (fragment_spectrum(VERAPAMIL, seed=seed) for seed in (0, 0, 1))
    assert first.mz.tobytes() == again.mz.tobytes()
    assert first.intensity.tobytes() == again.intensity.tobytes()
    assert other.mz.tobytes() != first.mz.tobytes()
    assert other.n_peaks == first.n_peaks
    assert np.abs(other.mz - first.mz).max() < 0.01


def test_more_energy_leaves_less_precursor() -> None:
    shares = []
    for energy in (10.0, 30.0, 60.0):
        spectrum = fragment_spectrum(VERAPAMIL, collision_energy_ev=energy)
        shares.append(spectrum.intensity[-1] / spectrum.intensity.sum())
    assert shares[0] > shares[1] > shares[2]


def test_different_structures_of_one_formula_differ() -> None:
    first, second = fragment_spectrum("CC(=O)Oc1ccccc1C(=O)O"), fragment_spectrum("COc1ccc2c(c1)OCC(=O)O2")
    assert first.precursor_mz == second.precursor_mz
    assert {round(float(mz), 2) for mz in first.mz} != {round(float(mz), 2) for mz in second.mz}


def test_bad_arguments_raise() -> None:
    with pytest.raises(UnusableStructure):
        fragment_spectrum("no structure")
    with pytest.raises(ValueError, match="adduct"):
        fragment_spectrum(CAFFEINE, "[M+Xx]+")


def test_a_typical_drug_is_fast() -> None:
    fragment_spectrum(VERAPAMIL)
    started = time.process_time()
    for _ in range(5):
        fragment_spectrum(VERAPAMIL)
    assert (time.process_time() - started) / 5 < 0.15  # 5 ms on a quiet machine
