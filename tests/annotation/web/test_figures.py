"""Measured figures on the models page: what is set side by side was measured on the same spectra."""

from __future__ import annotations

from annotation.web.figures import figure_tables


def test_methods_of_different_draws_stand_in_tables_of_their_own() -> None:
    methods = {
        "glmr": {"hit@1": 0.3, "n_spectra": 1200},
        "fused": {"hit@1": 0.6, "n_spectra": 3410},
        "fingerprint_bce": {"hit@1": 0.4, "n_spectra": 1200},
    }
    tables = figure_tables({"protocols": {"isomers, no references": methods}})
    assert [(table.n_spectra, [row.method for row in table.rows]) for table in tables] == [
        (3410, ["fused"]),
        (1200, ["fingerprint alone, trained without decoys", "glmr"]),
    ]
    assert {table.heading for table in tables} == {
        "Among all molecules of the right formula, at least five, without reference spectra"
    }
    assert tables[1].rows[0].cells[0][1] == "40.0\N{NO-BREAK SPACE}%"


def test_figures_of_another_shape_are_no_table() -> None:
    assert figure_tables({}) == []
    assert figure_tables({"protocols": "none"}) == []
