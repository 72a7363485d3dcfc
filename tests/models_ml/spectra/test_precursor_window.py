"""An assumed adduct applies only where its charge and polarity agree with the spectrum."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from models_ml.outcomes import AnnotateParams, CannotAnnotate
from models_ml.spectra.precursor_window import mass_window
from tests.models_ml.spectra.builders import make_spectrum

ASSUMED = AnnotateParams(assumed_adducts={"positive": "[M+H]+", "negative": "[M-H]-"})


@pytest.mark.parametrize(
    ("charge", "ion_mode", "adduct"),
    [
        (1, "positive", "[M+H]+"),
        (1, None, "[M+H]+"),
        (None, "positive", "[M+H]+"),
        (-1, "negative", "[M-H]-"),
        (None, "negative", "[M-H]-"),
    ],
)
def test_an_assumed_adduct_applies(charge: int | None, ion_mode: Any, adduct: str) -> None:
    window = mass_window(make_spectrum(adduct=None, charge=charge, ion_mode=ion_mode), ASSUMED)
    assert not isinstance(window, CannotAnnotate)
    assert (window.adduct, window.adduct_assumed) == (adduct, True)


@pytest.mark.parametrize(
    ("charge", "ion_mode", "names"),
    [
        (2, "positive", ("charge +2", "[M+H]+")),
        (2, None, ("charge +2", "[M+H]+")),
        (-2, "negative", ("charge -2", "[M-H]-")),
        (-1, "positive", ("charge -1", "[M+H]+")),
    ],
)
def test_an_assumed_adduct_of_another_charge_is_refused(
    charge: int, ion_mode: Any, names: tuple[str, ...]
) -> None:
    result = mass_window(make_spectrum(adduct=None, charge=charge, ion_mode=ion_mode), ASSUMED)
    assert isinstance(result, CannotAnnotate)
    assert result.code == "no_adduct"
    assert all(name in result.reason for name in names)


def test_an_assumed_adduct_of_another_polarity_is_refused() -> None:
    params = AnnotateParams(assumed_adducts={"positive": "[M-H]-"})
    result = mass_window(make_spectrum(adduct=None, charge=None), params)
    assert isinstance(result, CannotAnnotate)
    assert "ion mode positive" in result.reason


def test_the_adduct_of_the_record_counts_as_before() -> None:
    window = mass_window(make_spectrum(adduct="[M+2H]2+", charge=2), ASSUMED)
    assert not isinstance(window, CannotAnnotate)
    assert not window.adduct_assumed


@pytest.mark.parametrize(
    ("policy", "adduct", "assumed"),
    [("fallback", "[M+Na]+", False), ("detected", "[M+Na]+", False), ("enforced", "[M+H]+", True)],
)
def test_the_policy_decides_whether_the_adduct_of_the_record_counts(
    policy: str, adduct: str, assumed: bool
) -> None:
    params = replace(ASSUMED, adduct_policy=policy)
    window = mass_window(make_spectrum(adduct="[M+Na]+", charge=None, ion_mode=None), params)
    assert not isinstance(window, CannotAnnotate)
    assert (window.adduct, window.adduct_assumed) == (adduct, assumed)


@pytest.mark.parametrize(("policy", "charge"), [("detected", 1), ("enforced", 2)])
def test_no_policy_overrules_the_charge_or_assumes_against_it(policy: str, charge: int) -> None:
    params = replace(ASSUMED, adduct_policy=policy)
    result = mass_window(make_spectrum(adduct=None, charge=charge), params)
    assert isinstance(result, CannotAnnotate)
    assert result.code == "no_adduct"
