"""Members of a feature: one precursor window for all, and reasons for members that are left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models_ml.outcomes import AnnotateParams, CannotAnnotate
from models_ml.spectra.feature import Feature
from models_ml.spectra.precursor_window import PreparedSpectrum
from models_ml.spectra.prepared_feature import PreparedMember, prepare_members
from models_ml.spectra.spectrum import Spectrum

PARAMS = AnnotateParams()
PEAKS = np.array([57.07, 91.05, 120.08])


def make_spectrum(**changes: Any) -> Spectrum:
    spectrum = Spectrum(
        PEAKS, np.array([1.0, 5.0, 9.0]), precursor_mz=166.0863, adduct="[M+H]+", ion_mode="positive"
    )
    return replace(spectrum, **changes)


def prepare(*members: Spectrum, representative: int = 0) -> tuple[list[PreparedMember], int]:
    return prepare_members(Feature(members, representative), PARAMS, max_peaks=64)


def codes(prepared: list[PreparedMember]) -> list[str]:
    return [member.code if isinstance(member, CannotAnnotate) else "" for member in prepared]


def test_a_feature_needs_members_and_a_representative_among_them() -> None:
    with pytest.raises(ValueError, match="0 members"):
        Feature(())
    with pytest.raises(ValueError, match="representative 1"):
        Feature((make_spectrum(),), representative=1)


def test_a_spectrum_is_a_feature_with_one_member() -> None:
    spectrum = make_spectrum()
    feature = Feature.of(spectrum)
    assert feature.members == (spectrum,)
    assert Feature.of(feature) is feature


def test_all_members_have_the_precursor_of_the_representative() -> None:
    prepared, leader = prepare(make_spectrum(precursor_mz=166.0), make_spectrum(), representative=1)
    assert leader == 1
    for member in prepared:
        assert isinstance(member, PreparedSpectrum)
        assert member.window.precursor_mz == 166.0863
        assert member.features.precursor_mz == 166.0863


@pytest.mark.parametrize("changes", [{"precursor_mz": None}, {"adduct": None}, {"adduct": "[M+1H]+"}])
def test_members_may_lack_what_the_representative_states(changes: dict[str, Any]) -> None:
    prepared, _ = prepare(make_spectrum(), make_spectrum(**changes))
    assert codes(prepared) == ["", ""]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"adduct": "[M+Na]+"}, "other_adduct"),
        ({"adduct": "[M+Xy]+"}, "other_adduct"),
        ({"mz": np.array([]), "intensity": np.array([])}, "no_peaks"),
    ],
)
def test_a_member_that_cannot_take_part_gets_a_reason(changes: dict[str, Any], code: str) -> None:
    prepared, leader = prepare(make_spectrum(), make_spectrum(**changes), make_spectrum())
    assert codes(prepared) == ["", code, ""]
    assert leader == 0


def test_another_member_replaces_a_representative_without_peaks() -> None:
    empty = make_spectrum(mz=np.array([]), intensity=np.array([]))
    prepared, leader = prepare(empty, make_spectrum())
    assert codes(prepared) == ["no_peaks", ""]
    assert leader == 1


def test_without_a_usable_member_the_reason_is_that_of_the_representative() -> None:
    prepared, leader = prepare(make_spectrum(precursor_mz=None), make_spectrum(adduct="[M+Xy]+"))
    assert codes(prepared) == ["no_precursor", "unsupported_adduct"]
    assert leader == 0
