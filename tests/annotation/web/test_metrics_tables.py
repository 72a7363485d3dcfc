"""Metrics on the models page: a table compares only methods that were measured on the same spectra."""

from __future__ import annotations

from annotation.web.metrics_tables import metrics_tables


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
