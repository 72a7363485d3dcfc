"""Settings: command line, JSON files, and what a resumed stage may change."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import pytest

from models_ml.training.command_line import COMMANDS, main, read_options
from models_ml.training.settings import (
    MAY_CHANGE_ON_RESUME,
    ContrastiveSettings,
    GenerativeSettings,
    PrepareSettings,
    PretrainSettings,
    RankingSettings,
    Settings,
)
from models_ml.training.settings_file import (
    BadSettings,
    check_resume,
    from_json,
    provenance,
    read_settings,
    to_json,
    write_settings,
)
from tests.tiny_checkpoint import MOLECULES

ROOT = Path(__file__).parents[2]
REQUIRED: dict[str, Any] = {"data": Path("runs/data"), "run": Path("runs/g0")}


def read(command: str, *options: str) -> Settings:
    return read_options(COMMANDS[command], options, command)


def test_options_become_settings() -> None:
    pytest.importorskip("tyro", reason="the command line needs tyro, which is not installed here")
    settings = read(
        "generative", "--data", "d", "--run", "r", "--cross-fitted", "g1", "g2", "--per-compound", "12",
        "--max-minutes", "4.5", "--simulated", "s.npz", "--fresh",
    )  # fmt: skip
    assert settings == GenerativeSettings(
        data=Path("d"), run=Path("r"), cross_fitted=(Path("g1"), Path("g2")), per_compound=12,
        max_minutes=4.5, simulated=Path("s.npz"), fresh=True,
    )  # fmt: skip


@pytest.mark.parametrize("settings_class", get_args(Settings))
def test_every_setting_is_an_option(
    settings_class: type[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tyro", reason="the command line needs tyro, which is not installed here")
    with pytest.raises(SystemExit) as stop:
        main([settings_class.command, "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for field in fields(settings_class):
        assert f"--{field.name.replace('_', '-')}" in shown


def test_a_wrong_combination_of_options_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tyro", reason="the command line needs tyro, which is not installed here")
    with pytest.raises(SystemExit):
        main(["ranking", "--data", "d", "--run", "r", "--checkpoint", "c", "--keep-rankers"])
    assert "--channels-of" in capsys.readouterr().err


def test_options_replace_those_of_the_settings_file(tmp_path: Path) -> None:
    pytest.importorskip("tyro", reason="the command line needs tyro, which is not installed here")
    path = tmp_path / "contrastive.json"
    write_settings(path, ContrastiveSettings(**REQUIRED, batch_size=256, blind=True))
    settings = read("contrastive", "--settings", str(path), "--max-steps", "9", "--no-blind")
    assert settings == ContrastiveSettings(**REQUIRED, batch_size=256, max_steps=9)


@pytest.mark.parametrize(
    "settings",
    [
        PrepareSettings(structures=Path("s"), train=Path("t"), val=Path("v"), out=Path("o")),
        PretrainSettings(**REQUIRED, max_minutes=2, token_window=0),
        GenerativeSettings(**REQUIRED, cross_fitted=(Path("a"), Path("b"))),
        RankingSettings(**REQUIRED, checkpoint=Path("c"), seeds=(0, 1, 2)),
    ],
)
def test_settings_survive_json(settings: Settings, tmp_path: Path) -> None:
    write_settings(tmp_path / "file.json", settings)
    assert read_settings(tmp_path / "file.json", type(settings)) == settings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": "d", "run": "r", "batchsize": 3}, "unknown settings: batchsize"),
        ({"data": "d"}, "required settings are missing: run"),
        ({"data": "d", "run": "r", "batch_size": "3"}, "batch_size: expected int"),
        ({"data": "d", "run": "r", "batch_size": True}, "batch_size: expected int"),
        ({"data": "d", "run": "r", "cross_fitted": "g1"}, "cross_fitted: expected"),
        (["data"], "expected a JSON object"),
    ],
)
def test_a_wrong_setting_is_named(values: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_json(GenerativeSettings, values)


def test_an_unreadable_settings_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="does not exist"):
        read_settings(tmp_path / "none.json", PretrainSettings)
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(BadSettings, match=r"bad\.json is not JSON"):
        read_settings(tmp_path / "bad.json", PretrainSettings)


def test_a_resumed_stage_may_change_its_budget_and_its_machine(tmp_path: Path) -> None:
    saved = ContrastiveSettings(**REQUIRED, max_steps=3, simulated=Path("made/s.npz"))
    write_settings(tmp_path / "contrastive.json", saved)
    assert check_resume(saved, tmp_path / "contrastive.json") == []
    moved = replace(saved, max_steps=5, device="cuda", data=Path("/other/data"), simulated=Path("s.npz"))
    changes = check_resume(moved, tmp_path / "contrastive.json")
    assert changes == ["max_steps 3 -> 5", "device cpu -> cuda"]


@pytest.mark.parametrize("change", [{"batch_size": 8}, {"seed": 1}, {"simulated": None}, {"hold_out": 0}])
def test_a_resumed_stage_may_not_change_other_settings(change: dict[str, Any], tmp_path: Path) -> None:
    saved = ContrastiveSettings(**REQUIRED, simulated=Path("s.npz"))
    write_settings(tmp_path / "contrastive.json", saved)
    with pytest.raises(BadSettings, match=f"{next(iter(change))}.*--fresh"):
        check_resume(replace(saved, **change), tmp_path / "contrastive.json")


def test_a_state_without_a_settings_file_says_so(tmp_path: Path) -> None:
    (note,) = check_resume(PretrainSettings(**REQUIRED), tmp_path / "pretrain.json")
    assert "is missing" in note


def test_settings_that_may_change_exist() -> None:
    assert {field.name for field in fields(PretrainSettings)} >= MAY_CHANGE_ON_RESUME


def test_a_checkpoint_records_no_path() -> None:
    settings = GenerativeSettings(
        **REQUIRED, source=Path("/home/a/g0"), cross_fitted=(Path("/home/a/g1"),), simulated=Path("/home/s")
    )
    recorded = provenance(to_json(settings))
    assert "/home" not in json.dumps(recorded)
    assert recorded["cross_fitted"] == 1
    assert recorded["simulated"] is True
    assert recorded["warm_start"] is False
    # An older version saved these values itself.
    assert provenance({"simulated": 48, "warm_start": False}) == {"simulated": 48, "warm_start": False}


def test_stages_run_from_a_settings_file_where_only_torch_and_numpy_are_installed(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs torch, which is not installed here")
    from models_ml.training.tiny import write_tiny_data

    data, run = tmp_path / "data", tmp_path / "run"
    write_tiny_data(data, MOLECULES[:12], seed=0)
    shared: dict[str, Any] = {"data": data, "run": run, "max_steps": 2, "batch_size": 6, "threads": 1}
    write_settings(tmp_path / "pretrain.json", PretrainSettings(**shared, config="tiny"))
    write_settings(tmp_path / "contrastive.json", ContrastiveSettings(**shared))
    write_settings(tmp_path / "generative.json", GenerativeSettings(**shared))
    (tmp_path / "pack.json").write_text(
        json.dumps({"run": str(run), "data": str(data), "out": str(tmp_path / "packed"), "name": "tiny"})
    )
    (tmp_path / "unpack.json").write_text(
        json.dumps({"checkpoint": str(tmp_path / "packed"), "data": str(data), "run": str(tmp_path / "next")})
    )
    # Imports of these packages fail, as on a machine that lacks them.
    blocked = ("tyro", "rdkit", "django", "celery", "lxml", "psycopg", "pydantic", "rest_framework")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked!r})); "
        "from models_ml.training.command_line import main\n"
        "for command in ('pretrain', 'contrastive', 'generative', 'pack', 'unpack'):\n"
        f"    main([command, '--settings', {str(tmp_path)!r} + f'/{{command}}.json'])"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)
    assert (tmp_path / "packed" / "model.safetensors").exists()
    assert (tmp_path / "next" / "contrastive.pt").exists()
    assert read_settings(run / "contrastive.json", ContrastiveSettings).max_steps == 2


def test_without_tyro_options_are_refused_with_the_remedy() -> None:
    code = (
        "import sys; sys.modules['tyro'] = None; from models_ml.training.command_line import main; "
        "main(['pretrain', '--data', 'd'])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2
    assert "--settings FILE" in result.stderr


def documented_commands() -> list[list[str]]:
    """The training commands of the model card, each as a list of arguments."""
    card = (ROOT / "models_ml/checkpoints/glmr-0.6/MODEL_CARD.md").read_text(encoding="utf-8")
    lines = card.replace("\\\n", " ").splitlines()
    parts = [part for line in lines for part in re.split(r"[;&]", line)]
    return [shlex.split(part.split("$P ")[1], comments=True) for part in parts if "$P " in part]


def test_the_commands_of_the_model_card_are_valid() -> None:
    pytest.importorskip("tyro", reason="the command line needs tyro, which is not installed here")
    commands = documented_commands()
    assert {command for command, *_ in commands} == set(COMMANDS)
    for command, *options in commands:
        read(command, *(option.replace("$f", "0") for option in options))
