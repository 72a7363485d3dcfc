"""Isotope pattern, purity, adduct evidence and proposals."""

from __future__ import annotations

import pytest

from models_ml.features.adduct_proposal import propose_adduct
from models_ml.spectra.ms1 import survey_precursor
from tests.models_ml.features.builders import ms1

PATTERN = ((300.1, 1000.0), (301.1033, 165.0), (302.106, 15.0))


def test_pattern_and_charge() -> None:
    survey = survey_precursor(ms1(*PATTERN, (303.2, 500)), 300.1005)
    assert survey.isotope_intensity.tolist() == [1000, 165, 15]
    assert survey.charge == 1
    double = survey_precursor(ms1((300.1, 1000), (300.6017, 320), (301.1033, 60)), 300.1)
    assert double.charge == 2


def test_chlorine_without_m_plus_1() -> None:
    survey = survey_precursor(ms1((110.0, 1000), (111.99705, 320)), 110.0)
    assert survey.isotope_intensity.tolist() == [1000, 0, 320]


def test_a_chimeric_window_lowers_purity() -> None:
    peaks = ms1(*PATTERN, (299.8, 1165.0))
    assert survey_precursor(peaks, 300.1, window=(299.5, 301.5)).purity == pytest.approx(0.5)
    assert survey_precursor(peaks, 300.1, window=(300.0, 301.5)).purity == pytest.approx(1.0)
    assert survey_precursor(peaks, 300.1).purity is None


def test_a_precursor_that_ms1_does_not_show() -> None:
    survey = survey_precursor(ms1((299.9, 5.0)), 300.1, window=(299.5, 300.5))
    assert survey.isotope_mz.size == 0
    assert survey.purity == 0.0
    assert survey_precursor(ms1(), 300.1, window=(299.5, 300.5)).purity is None


def test_a_selected_m_plus_1_is_noticed() -> None:
    survey = survey_precursor(ms1(*PATTERN), 301.1033, charge=1)
    assert survey.selected_isotope == 1
    assert survey.isotope_mz[0] == 300.1


def test_a_sodium_partner_proposes_the_proton() -> None:
    survey = survey_precursor(ms1(*PATTERN, (322.08194, 200.0)), 300.1, ion_mode="positive")
    proposal = propose_adduct([survey])
    assert proposal is not None
    assert proposal.adduct == "[M+H]+"
    sodium = survey_precursor(ms1(*PATTERN, (278.11806, 200.0)), 300.1, ion_mode="positive")
    proposal = propose_adduct([sodium])
    assert proposal is not None
    assert proposal.adduct == "[M+Na]+"


def test_no_proposal_where_it_is_ambiguous_or_unspecific() -> None:
    both = ms1(*PATTERN, (322.08194, 200.0), (278.11806, 200.0))
    assert propose_adduct([survey_precursor(both, 300.1, ion_mode="positive")]) is None
    water = ms1(*PATTERN, (282.08944, 200.0))
    survey = survey_precursor(water, 300.1, ion_mode="positive")
    assert survey.adduct_evidence
    assert propose_adduct([survey]) is None
    assert propose_adduct([]) is None


def test_a_wrong_polarity_gives_no_sodium() -> None:
    survey = survey_precursor(ms1(*PATTERN, (322.08194, 200.0)), 300.1, ion_mode="negative")
    assert survey.adduct_evidence == ()


def test_a_crowded_scan_proposes_nothing() -> None:
    comb = [(250.0 + 0.0021 * step, 200.0) for step in range(50_000)]
    survey = survey_precursor(ms1(*comb, (300.1, 1000)), 300.1, charge=1, ion_mode="positive")
    assert survey.chance_partners > 1
    assert propose_adduct([survey]) is None
