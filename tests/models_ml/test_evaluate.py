"""The evaluation's figures on cases whose answer is known, and its command on computed spectra."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="evaluation runs the model, which needs torch")

from models_ml.evaluate.__main__ import main
from models_ml.evaluate.cases import Case, draw_evenly, exchange_peaks
from models_ml.evaluate.methods import NEVER, Ranking
from models_ml.evaluate.metrics import add_controls, per_spectrum, summarise
from models_ml.inference.memory_index import InMemoryLibrary, LibraryEntry
from models_ml.molecules.fragmentation import fragment_spectrum
from models_ml.molecules.standardise import standardise
from models_ml.outcomes import Query
from models_ml.spectra.mgf_writer import write_mgf
from tests.tiny_checkpoint import MOLECULES


def make_cases(*smiles: str) -> list[Case]:
    return [
        Case(replace(fragment_spectrum(one, collision_energy_ev=energy), smiles=one), standardise(one))
        for one in smiles
        for energy in (20.0, 40.0)
    ]


def ranking(rank: float, n: int = 10) -> Ranking:
    return Ranking(rank, n, rank != NEVER, 0.5)


def test_metrics_of_known_ranks() -> None:
    values = per_spectrum([ranking(1), ranking(1.5), ranking(6), ranking(NEVER)])
    assert values["hit@1"].mean() == 0.25
    assert values["hit@5"].mean() == 0.5
    assert values["hit@20"].mean() == values["coverage@40"].mean() == 0.75
    assert values["mrr"].mean() == pytest.approx((1 + 1 / 1.5 + 1 / 6) / 4)
    assert values["random_hit@1"].mean() == pytest.approx(0.1)


def test_lift_is_what_the_peaks_add_and_intervals_hold_the_mean() -> None:
    values = per_spectrum([ranking(1)] * 30 + [ranking(2)] * 10)
    add_controls(values, [ranking(1)] * 20 + [ranking(2)] * 20, [ranking(2)] * 40)
    figures = summarise(values, [f"compound {n % 13}" for n in range(40)], seed=0)
    assert figures["lift@1"] == 0.25
    assert figures["blind_hit@1"] == 0.5
    assert figures["shuffled_hit@1"] == 0
    assert figures["n_compounds"] == 13
    intervals = figures["ci95"]
    assert isinstance(intervals, dict)
    low, high = intervals["hit@1"]
    assert low < 0.75 < high


def test_a_limit_takes_compounds_in_turn() -> None:
    cases = make_cases(*MOLECULES[:4])
    drawn = draw_evenly(cases, 4, seed=1)
    assert len({case.compound for case in drawn}) == 4
    assert drawn == draw_evenly(cases, 4, seed=1)


def test_exchanged_peaks_are_another_compounds() -> None:
    theophylline, theobromine = MOLECULES[3], MOLECULES[4]
    cases = make_cases(theophylline, theobromine)
    exchanged, near = exchange_peaks(cases)
    assert near == len(cases)  # isomers: the same precursor
    for before, after in zip(cases, exchanged, strict=True):
        donors = [case for case in cases if case.spectrum.mz is after.spectrum.mz]
        assert donors[0].compound != before.compound == after.compound


def test_the_memory_library_answers_like_a_plain_sort() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    mass = rng.uniform(100, 200, 500)
    library = InMemoryLibrary([LibraryEntry("C", str(n), "CH4", mass[n]) for n in range(500)], vectors)
    (found,) = library.retrieve([Query(vectors[7], 150.0, 30.0)], 40)
    inside = np.flatnonzero(np.abs(mass - 150) <= 30)
    expected = sorted(inside, key=lambda key: (-float(vectors[key] @ vectors[7]), key))[:40]
    assert [molecule.key for molecule in found.molecules] == expected
    assert found.n_in_window == len(inside)


def test_the_command_writes_every_figure(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with (tmp_path / "spectra.mgf").open("w", encoding="utf-8") as stream:
        write_mgf([case.spectrum for case in make_cases(*MOLECULES[:5])], stream)
    (tmp_path / "library.smi").write_text("".join(f"{one} M{n}\n" for n, one in enumerate(MOLECULES)))
    for name in ("first", "out"):  # the second time from the cache
        main(["--spectra", str(tmp_path / "spectra.mgf"), "--library", str(tmp_path / "library.smi"),
              "--checkpoint", str(tiny_checkpoint), "--blind", str(tiny_checkpoint),
              "--cache", str(tmp_path / "cache"), "--method", "random,retrieval,glmr",
              "--out", str(tmp_path / f"{name}.json")])  # fmt: skip
    first, report = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("first", "out"))
    for method in first["methods"]:
        assert first["methods"][method]["ci95"] == report["methods"][method]["ci95"]
    assert report["n_library"] == len(MOLECULES)
    for method in ("retrieval", "glmr"):
        figures = report["methods"][method]
        assert figures["n_spectra"] == 10
        assert figures["n_failed"] == 0
        assert figures["lift@1"] == 0  # its own twin
        assert figures["coverage@40"] == 1
        assert figures["random_hit@1"] == pytest.approx(report["methods"]["random"]["random_hit@1"])
    assert "valid_beams" in report["methods"]["glmr"]


def test_an_unknown_method_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="there are random, retrieval, glmr"):
        main(["--spectra", "a", "--library", "b", "--method", "magic", "--out", str(tmp_path / "o")])
