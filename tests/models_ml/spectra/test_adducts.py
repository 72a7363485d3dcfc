"""Adducts: spellings, and masses compared with values computed by hand from atomic masses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_ml.spectra.adducts import neutral_mass, normalise, parse, precursor_mz

TRAINING_ADDUCTS = [
    "[M+H]+",
    "[M-H]-",
    "[M]+",
    "[M+Na]+",
    "[M+NH4]+",
    "[M+HCOO]-",
    "[M+CH3COO]-",
    "[M-H2O+H]+",
    "[M+K]+",
    "[M+Cl]-",
]


@pytest.mark.parametrize("adduct", TRAINING_ADDUCTS)
def test_the_notation_of_the_training_data_is_canonical(adduct: str) -> None:
    assert normalise(adduct) == adduct


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("M+H", "[M+H]+"),
        ("[M+H]1+", "[M+H]+"),
        ("(M+H)+", "[M+H]+"),
        ("[M+H]", "[M+H]+"),
        ("[M + H]+", "[M+H]+"),
        ("M+H+", "[M+H]+"),
        ("[M+H](+)", "[M+H]+"),
        ("[M−H]⁻", "[M-H]-"),
        ("M-H", "[M-H]-"),
        ("[M+H-H2O]+", "[M-H2O+H]+"),
        ("M-H2O+H", "[M-H2O+H]+"),
        ("M+H-2H2O", "[M-2H2O+H]+"),
        ("[M]+*", "[M]+"),
        ("[M]+.", "[M]+"),
        ("M+.", "[M]+"),
        ("M+", "[M]+"),
        ("[Cat]+", "[M]+"),
        ("[M]•+", "[M]+"),
        ("[M+2H]++", "[M+2H]2+"),
        ("[M+2H]+2", "[M+2H]2+"),
        ("M+2H2+", "[M+2H]2+"),
        ("M+2H", "[M+2H]2+"),
        ("[M+OAc]-", "[M+CH3COO]-"),
        ("[M+Hac-H]-", "[M+CH3COO]-"),
        ("[M+Ac-H]-", "[M+CH3COO]-"),
        ("[M+C2H3O2]-", "[M+CH3COO]-"),
        ("[M+FA-H]-", "[M+HCOO]-"),
        ("[M+FA]-", "[M+HCOO]-"),
        ("[M+CHO2]-", "[M+HCOO]-"),
        ("[M+CH2O2-H]-", "[M+HCOO]-"),
        ("[M+2Na-H]+", "[M-H+2Na]+"),
        ("[M+MeOH+H]+", "[M+CH3OH+H]+"),
        ("[M+C2H3N+H]+", "[M+ACN+H]+"),
        ("[M+NH3+H]+", "[M+NH4]+"),
        ("[2M+H]+", "[2M+H]+"),
        ("2M-H", "[2M-H]-"),
        ("[2M+FA-H]-", "[2M+HCOO]-"),
    ],
)
def test_common_spellings(text: str, canonical: str) -> None:
    assert normalise(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "N/A",
        "M",
        "[M+Foo]+",
        "[M+Ac]+",
        "[M+H]+/[M-H2O+H]+",
        "+H",
        "[H]+",
        "M+-",
        "[M+H]0+",
        "[99M+H]+",
        "[M+H]" * 40,
        "[M+H]++-",
        "Unknown",
    ],
)
def test_other_text_is_none(text: str) -> None:
    assert normalise(text) is None
    with pytest.raises(ValueError, match=r"\[M\+H\]\+"):
        parse(text)


def test_the_ion_mode_counts_only_if_the_text_has_no_sign() -> None:
    assert normalise("[M]", "negative") == "[M]-"
    assert normalise("[M]", "positive") == "[M]+"
    assert normalise("[M+H]+", "negative") == "[M+H]+"


def test_m_minus_2h_with_one_and_with_two_charges_are_different_ions() -> None:
    """MassBank has both."""
    assert normalise("[M-2H]-") == "[M-2H]-"
    assert normalise("[M-2H]2-") == "[M-2H]2-"
    assert precursor_mz(300.0, "[M-2H]-") == pytest.approx(300 - 2 * 1.00782503 + 0.00054858, abs=1e-6)
    assert precursor_mz(300.0, "[M-2H]2-") == pytest.approx(150 - 1.00727646, abs=1e-6)


@pytest.mark.parametrize(
    ("adduct", "shift"),
    [
        ("[M+H]+", 1.007276),
        ("[M-H]-", -1.007276),
        ("[M]+", -0.000549),
        ("[M]-", 0.000549),
        ("[M+Na]+", 22.989221),
        ("[M+K]+", 38.963158),
        ("[M+NH4]+", 18.033826),
        ("[M+Cl]-", 34.969401),
        ("[M+HCOO]-", 44.998203),
        ("[M+CH3COO]-", 59.013853),
        ("[M+OAc]-", 59.013853),
        ("[M-H2O+H]+", -17.003288),
        ("[M+ACN+H]+", 42.033826),
        ("[M+Li]+", 7.015455),
        ("[M+Br]-", 78.918886),
        ("[M+2H]2+", 2.014553),
        ("[2M+H]+", 1.007276),
        ("[M+TFA-H]-", 112.985587),
        ("[M+2Na-H]+", 44.971165),
    ],
)
def test_mass_shifts(adduct: str, shift: float) -> None:
    assert parse(adduct).mass_shift_da == pytest.approx(shift, abs=2e-6)


def test_caffeine_and_glucose() -> None:
    assert precursor_mz(194.080376, "[M+H]+") == pytest.approx(195.087652, abs=1e-6)
    assert precursor_mz(180.063388, "[2M+Na]+") == pytest.approx(383.115997, abs=1e-5)
    assert neutral_mass(195.087652, "M+H") == pytest.approx(194.080376, abs=1e-6)


@given(st.sampled_from([*TRAINING_ADDUCTS, "[2M+H]+", "[M+2H]2+", "[3M-H]-"]), st.floats(50, 3000))
def test_neutral_mass_and_precursor_mz_are_inverse(adduct: str, mass: float) -> None:
    assert neutral_mass(precursor_mz(mass, adduct), adduct) == pytest.approx(mass, abs=1e-9)


@given(st.text(alphabet="[]()M+-H2ONaK4C*. ", max_size=20))
def test_any_text_gives_none_or_a_stable_notation(text: str) -> None:
    notation = normalise(text)
    assert notation is None or normalise(notation) == notation
