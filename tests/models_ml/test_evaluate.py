"""The commands of the evaluation, on computed spectra."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="evaluation runs the model, which needs torch")

from models_ml.evaluate.__main__ import main
from models_ml.evaluate.cases import Case
from models_ml.evaluate.library import Library, as_candidate
from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.molecules.standardise import standardise
from models_ml.spectra.mgf_writer import write_mgf
from tests.tiny_checkpoint import MOLECULES

KEYS = (
    "hit@1", "hit@5", "hit@20", "mrr", "coverage@20", "coverage@40", "mces@1", "tanimoto@1",
    "mean_candidates",
    "random_hit@1", "blind_hit@1", "shuffled_hit@1", "lift@1", "information_bits", "ece", "ece_close",
    "accuracy@50%",
    "abstained", "abstained_right", "absent_auc", "n_spectra", "n_compounds", "ci95", "macro", "strata",
)  # fmt: skip


def make_cases(*smiles: str) -> list[Case]:
    return [
        Case(
            replace(fragment_spectrum(structure, collision_energy_ev=energy), smiles=structure),
            standardise(structure),
        )
        for structure in smiles
        for energy in (20.0, 40.0)
    ]


def make_library(*smiles: str) -> Library:
    candidates = [as_candidate(structure) for structure in smiles]
    return Library([candidate for candidate in candidates if candidate is not None], "test")


def write_spectra(path: Path, *smiles: str) -> Path:
    with path.open("w", encoding="utf-8") as stream:
        write_mgf([case.spectrum for case in make_cases(*smiles)], stream)
    return path


def test_compare_writes_every_metric(tiny_checkpoint: Path, tmp_path: Path) -> None:
    spectra = write_spectra(tmp_path / "spectra.mgf", *MOLECULES[:5])
    val = write_spectra(tmp_path / "val.mgf", *MOLECULES[5:12])
    references = write_spectra(tmp_path / "references.mgf", *MOLECULES[3:20])
    (tmp_path / "library.smi").write_text("".join(f"{smiles} M{n}\n" for n, smiles in enumerate(MOLECULES)))
    for name in ("first", "out"):  # the second run reads the cache
        main(["--spectra", str(spectra), "--library", str(tmp_path / "library.smi"), "--val", str(val),
              "--checkpoint", str(tiny_checkpoint), "--blind", str(tiny_checkpoint),
              "--references", str(references), "--train", str(references), "--mces-limit", "2",
              "--protocol", "whole", "--cache", str(tmp_path / "cache"),
              "--method", "random,blind,nearest_entropy,nearest_cosine,analogs,retrieval,glmr",
              "--out", str(tmp_path / f"{name}.json")])  # fmt: skip
    first, report = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("first", "out"))
    assert report["references"]["n_excluded"] == 2 * 9  # references of test and validation compounds
    assert report["n_library"] == len(MOLECULES)
    for method, metrics in report["methods"].items():
        assert first["methods"][method]["ci95"] == metrics["ci95"]
        assert all(name in metrics for name in KEYS), method
        assert metrics["n_spectra"] == 10
        assert metrics["n_failed"] == 0
        assert metrics["coverage@40"] == 1
        assert metrics["random_hit@1"] == pytest.approx(1 / len(MOLECULES), abs=1e-4)
        assert metrics["information_bits"] is not None
        assert metrics["ece"] is not None
        assert metrics["mces_pairs"] <= 2
    assert report["methods"]["blind"]["lift@1"] == report["methods"]["blind"]["information_bits"] == 0
    assert "valid_beams" in report["methods"]["glmr"]
    (tmp_path / "checkpoint").mkdir()
    main(["collect", "--checkpoint", str(tmp_path / "checkpoint"), str(tmp_path / "out.json")])
    collected = json.loads((tmp_path / "checkpoint" / "metrics.json").read_text())
    kept = collected["protocols"]["whole, references"]["retrieval"]
    assert kept["hit@1"] == report["methods"]["retrieval"]["hit@1"]
    assert set(kept["ci95"]) <= set(kept)
    assert kept.get("reliability", []) == report["methods"]["retrieval"]["reliability"]
    # Add the report of another protocol, then replace everything with it.
    (tmp_path / "other.json").write_text(json.dumps(report | {"protocol": "formula"}))
    other = ["--checkpoint", str(tmp_path / "checkpoint"), str(tmp_path / "other.json")]
    for add, expected in (
        (["--add"], {"whole, references", "formula, references"}),
        ([], {"formula, references"}),
    ):
        main(["collect", *add, *other])
        stored = json.loads((tmp_path / "checkpoint" / "metrics.json").read_text())
        assert set(stored["protocols"]) == expected
    assert "## Controls" in (tmp_path / "out.md").read_text()
    assert (tmp_path / "out.png").stat().st_size > 0


def test_the_shipped_checkpoint_states_confidence_and_has_a_fingerprint_baseline(tmp_path: Path) -> None:
    isomers = ("CC(=O)Oc1ccccc1C(=O)O", "COC(=O)c1ccccc1C(=O)O", "O=C(O)Cc1ccc2c(c1)OCO2")
    (tmp_path / "library.smi").write_text("".join(f"{smiles} M{n}\n" for n, smiles in enumerate(isomers)))
    main(["--spectra", str(write_spectra(tmp_path / "spectra.mgf", *isomers)), "--mces-limit", "0",
          "--library", str(tmp_path / "library.smi"), "--beam-size", "1",
          "--method", "fused,fused-fragments,fingerprint_decoys",
          "--references", str(write_spectra(tmp_path / "references.mgf", *MOLECULES[5:9])),
          "--protocol", "formula", "--out", str(tmp_path / "out.json")])  # fmt: skip
    report = json.loads((tmp_path / "out.json").read_text())
    fused, heads = report["methods"]["fused"], report["methods"]["fingerprint_decoys"]
    assert fused["mean_candidates"] == heads["mean_candidates"] == 3
    assert fused["confidence_from"] == "the method"
    assert fused["n_absent"] == 6
    assert 0 <= fused["absent_auc"] <= 1


def test_stored_temperatures_replace_validation_spectra(tiny_checkpoint: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(tiny_checkpoint, checkpoint)
    (tmp_path / "library.smi").write_text("".join(f"{smiles} M{n}\n" for n, smiles in enumerate(MOLECULES)))
    spectra = write_spectra(tmp_path / "spectra.mgf", *MOLECULES[:4])
    arguments = ["--spectra", str(spectra), "--library", str(tmp_path / "library.smi"),
                 "--method", "retrieval", "--checkpoint", str(checkpoint), "--blind", str(tiny_checkpoint),
                 "--mces-limit", "0", "--protocol", "whole", "--out", str(tmp_path / "out.json")]  # fmt: skip

    def row(*more: str) -> dict[str, Any]:
        main([*arguments, *more])
        metrics: dict[str, Any] = json.loads((tmp_path / "out.json").read_text())["methods"]["retrieval"]
        return metrics

    without = row()
    assert without["ece"] is without["information_bits"] is None
    assert "--val" in without["notes"]["ece"]
    val = write_spectra(tmp_path / "val.mgf", *MOLECULES[5:12])
    fitted = row("--val", str(val), "--keep-temperatures")
    kept = row()
    for metric in ("ece", "information_bits", "temperature"):
        assert kept[metric] == pytest.approx(fitted[metric], rel=1e-3)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("magic", "The methods are random, nearest_entropy"),
        ("analogs", "need reference spectra"),
        ("blind", "name its checkpoint with --blind"),
        ("fingerprint_bce", "with --baseline NAME=FOLDER"),
    ],
)
def test_a_method_without_its_input_is_refused(method: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=message):
        main(["--spectra", "a", "--library", "b", "--method", method, "--out", str(tmp_path / "o"),
              "--checkpoint", str(tmp_path)])  # fmt: skip


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["--help"])
    assert exit_info.value.code == 0
    text = capsys.readouterr().out
    assert all(command in text for command in ("compare", "massspecgym", "generation", "collect"))


def test_an_unknown_command_is_refused() -> None:
    with pytest.raises(SystemExit, match="No command is named 'magic'"):
        main(["magic"])


def test_without_a_command_options_go_to_compare(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--spectra"])
    assert "python -m models_ml.evaluate compare" in capsys.readouterr().err
