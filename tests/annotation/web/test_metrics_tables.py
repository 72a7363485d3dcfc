"""Metrics on the models page: a table compares only methods that were measured on the same spectra."""

from __future__ import annotations

from annotation.web.metrics_tables import metrics_tables
from annotation.web.model_summary import summarise


def test_methods_with_different_numbers_of_spectra_get_separate_tables() -> None:
    methods = {
        "glmr": {"hit@1": 0.3, "n_spectra": 1200},
        "fused": {"hit@1": 0.6, "n_spectra": 3410},
        "fingerprint_bce": {"hit@1": 0.4, "n_spectra": 1200},
    }
    tables = metrics_tables({"protocols": {"isomers, no references": methods}})
    assert [(table.n_spectra, [row.method for row in table.rows]) for table in tables] == [
        (3410, ["fused"]),
        (1200, ["fingerprint only, trained without decoys", "glmr"]),
    ]
    assert {table.heading for table in tables} == {
        "Candidates with the right formula, at least five, without reference spectra"
    }
    assert tables[1].rows[0].cells[0][1] == "40.0\N{NO-BREAK SPACE}%"


def test_metrics_of_another_format_give_no_table() -> None:
    assert metrics_tables({}) == []
    assert metrics_tables({"protocols": "none"}) == []


def measured(**overrides: object) -> dict[str, object]:
    return {
        "protocols": {
            "precursor, references": {
                "fused": {"hit@1": 0.754, "blind_hit@1": 0.398, "n_spectra": 7951, "ece": 0.019} | overrides
            }
        }
    }


def test_a_model_leads_with_one_sentence_and_its_control() -> None:
    summary = summarise(measured())
    assert summary is not None
    assert "75\N{NO-BREAK SPACE}% of 7,951" in summary.sentence
    assert "40\N{NO-BREAK SPACE}% without their peaks" in summary.sentence
    assert summary.plot == ""


def test_recorded_reliability_becomes_a_plot_with_its_numbers() -> None:
    summary = summarise(measured(reliability=[{"confidence": 0.2, "accuracy": 0.1, "n": 90}]))
    assert summary is not None
    assert summary.plot.count("<circle") == 1
    assert [(found.stated, found.observed, found.n) for found in summary.bins] == [(0.2, 0.1, 90)]


def test_metrics_of_another_format_give_no_summary() -> None:
    assert summarise({}) is None
    assert summarise({"protocols": "none"}) is None
    assert summarise({"protocols": {"precursor, references": {"glmr": {"hit@1": 0.5}}}}) is None
