"""The command that fits the formula ranking and the command that measures it, on computed spectra."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models_ml.formulas.elements import pack
from models_ml.formulas.model import load_formula_model
from models_ml.formulas.vocabulary import LogOdds
from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.molecules.standardise import standardise
from models_ml.spectra.mgf_writer import write_mgf
from models_ml.training.formulas.calibration import fit_calibration
from models_ml.training.formulas.conditional_logit import fit_conditional_logit
from models_ml.training.formulas.measurement import (
    known_spectrum,
    read_known_spectra,
    with_foreign_peaks,
    with_precursor_error,
)
from tests.tiny_checkpoint import MOLECULES

CAFFEINE = "Cn1c(=O)c2c(ncn2C)n(C)c1=O"


def write_spectra(path: Path, molecules: Sequence[str]) -> Path:
    spectra = [
        replace(
            fragment_spectrum(smiles, collision_energy_ev=energy), smiles=smiles, title=f"{smiles} {energy}"
        )
        for smiles in molecules
        for energy in (15.0, 30.0)
    ]
    with path.open("w", encoding="utf-8") as stream:
        write_mgf(spectra, stream)
    return path


def test_weights_that_made_the_choices_are_found() -> None:
    rng = np.random.default_rng(0)
    weights = np.array([1.5, -1.0, 0.0])
    lists = [rng.normal(size=(8, 3)) for _ in range(3_000)]
    truths = [int((features @ weights + rng.gumbel(size=8)).argmax()) for features in lists]
    assert fit_conditional_logit(lists, truths) == pytest.approx(weights, abs=0.12)


def test_weights_need_a_list() -> None:
    with pytest.raises(ValueError, match="nothing to fit"):
        fit_conditional_logit([], [])


def test_calibration_finds_the_temperature_and_the_missing_share() -> None:
    rng = np.random.default_rng(1)
    scores, truths = [], []
    for _ in range(4_000):
        values = rng.normal(0, 3, 6)
        logits = np.append(values / 2.0, 0.5)
        choice = int((logits + rng.gumbel(size=7)).argmax())
        scores.append(values)
        truths.append(choice if choice < 6 else None)
    calibration = fit_calibration(scores, truths)
    assert calibration.temperature == pytest.approx(2.0, rel=0.1)
    assert calibration.other == pytest.approx(0.5, abs=0.2)


def test_the_simulated_precursor_error_is_the_same_each_time() -> None:
    spectrum = replace(fragment_spectrum(CAFFEINE), smiles=CAFFEINE)
    known = known_spectrum(spectrum, standardise(CAFFEINE))
    measured = with_precursor_error(known)
    error = (measured.precursor_mz - known.precursor_mz) / known.precursor_mz * 1e6
    assert 0 < abs(error) < 15
    assert with_precursor_error(known).precursor_mz == measured.precursor_mz
    # A record with a wrong precursor gets the theoretical one.
    shifted = replace(known, spectrum=replace(spectrum, precursor_mz=195.09))
    assert with_precursor_error(shifted).precursor_mz == pytest.approx(measured.precursor_mz)


def test_foreign_peaks_come_from_another_molecule_below_the_precursor() -> None:
    known = [
        known_spectrum(replace(fragment_spectrum(smiles), smiles=smiles), standardise(smiles))
        for smiles in MOLECULES[:6]
    ]
    disturbed = with_foreign_peaks(known[0], known, np.random.default_rng(3))
    n_own = known[0].spectrum.n_peaks
    assert n_own < disturbed.spectrum.n_peaks <= n_own + max(1, n_own // 2)
    assert disturbed.spectrum.mz[n_own:].max() < known[0].precursor_mz
    assert with_foreign_peaks(known[0], known[:1], np.random.default_rng(3)) is known[0]


def test_known_spectra_are_limited_by_compound(tmp_path: Path) -> None:
    path = write_spectra(tmp_path / "spectra.mgf", MOLECULES[:3])
    assert len(read_known_spectra(path, per_compound=9, seed=0)) == 6
    assert len(read_known_spectra(path, per_compound=1, seed=0)) == 3


def test_log_odds_of_known_and_unknown_fragments() -> None:
    water = pack(np.array([[0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0]]))
    methane = pack(np.array([[1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]]))
    table = LogOdds(water, np.array([2.0]), np.full(20, -1.0), -3.0)
    assert table.log_odds(np.concatenate([water, methane])) == pytest.approx([2.0, -1.0])
    again = LogOdds.from_json(json.loads(json.dumps(table.to_json())))
    assert again.log_odds(water) == pytest.approx([2.0])


def test_fit_and_measure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="the evaluation's command line imports torch")
    pytest.importorskip("tyro", reason="the command line of the training needs tyro")
    from models_ml.evaluate.__main__ import main as evaluate
    from models_ml.training.command_line import main as train

    structures = tmp_path / "structures.smi"
    structures.write_text("".join(f"{smiles} {n}\n" for n, smiles in enumerate(MOLECULES)), encoding="utf-8")
    spectra = write_spectra(tmp_path / "train.mgf", MOLECULES)
    out = tmp_path / "parameters.json"
    train(
        ["formulas", "--structures", str(structures), "--train", str(spectra), "--val", str(spectra),
         "--out", str(out)]
    )  # fmt: skip
    model = load_formula_model(out)
    assert model.fitted_on["n_train_spectra"] == 2 * len(MOLECULES)
    report_file = tmp_path / "report.json"
    evaluate(
        ["formulas", "--spectra", str(spectra), "--parameters", str(out), "--limit", "12",
         "--val", str(spectra), "--out", str(report_file)]
    )  # fmt: skip
    report = json.loads(report_file.read_text(encoding="utf-8"))
    rows = report["methods"]
    assert report["n_spectra"] == 12
    # Without rare elements most of these small masses have one or two formulas. This tests the path, not the
    # accuracy.
    assert rows["peaks"]["hit@1"] >= 0.75
    # The parameters were calibrated on the same spectra, so another fit on them changes nothing.
    assert rows["peaks"]["ece_val"] == rows["peaks"]["ece"]
    assert "ece_val" not in rows["mass error"]
    assert rows["peaks"]["hit@1"] <= rows["peaks"]["hit@3"] <= rows["peaks"]["hit@10"]
    for name in ("blind", "mass error", "peaks of another compound", "peaks and simulated isotope pattern"):
        assert 0 <= rows[name]["hit@1"] <= 1
    assert report["not_listed"]["all"] <= 1
    assert report["milliseconds_per_spectrum"]["median"] > 0
    text = report_file.with_suffix(".md").read_text(encoding="utf-8")
    assert "| peaks |" in text
    assert "calibrated on --val" in text
    assert "hit@1" in capsys.readouterr().out


def test_the_evaluation_names_what_is_wrong(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the evaluation's command line imports torch")
    from models_ml.evaluate.__main__ import main as evaluate

    empty = tmp_path / "empty.mgf"
    empty.write_text("BEGIN IONS\nPEPMASS=100.1\n50.1 1\nEND IONS\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="no spectrum has a structure"):
        evaluate(["formulas", "--spectra", str(empty), "--out", str(tmp_path / "report.json")])
