"""Every stage trains, resumes and gives the same result for the same seed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch, which is not installed here")

import torch

from models_ml.networks.glmr import GlmrNetwork
from models_ml.tokenizer import BOS, EOS, MASK, SmilesTokenizer
from models_ml.training.arrays import SpectrumArrays
from models_ml.training.batches import length_bucketed, mask_spans
from models_ml.training.command_line import main
from models_ml.training.mass_windows import MassSorted
from models_ml.training.states import load_network, load_state
from models_ml.training.tiny import write_tiny_data
from models_ml.training.validation import RetrievalCheck, expected_rank
from tests.tiny_checkpoint import MOLECULES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_tiny_data(folder, MOLECULES[:12], seed=0)
    return folder


def pretrain(data: Path, run: Path, steps: int) -> dict[str, torch.Tensor]:
    main(["pretrain", "--data", str(data), "--run", str(run), "--config", "tiny", "--batch-size", "6",
          "--max-steps", str(steps), "--threads", "1"])  # fmt: skip
    weights: dict[str, torch.Tensor] = load_state(run / "pretrain.pt")["network"]
    return weights


def test_the_same_seed_gives_the_same_weights(data: Path, tmp_path: Path) -> None:
    first, second = pretrain(data, tmp_path / "a", 3), pretrain(data, tmp_path / "b", 3)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_finished_stage_does_not_run_again_and_a_larger_budget_continues(
    data: Path, tmp_path: Path
) -> None:
    first = pretrain(data, tmp_path, 3)
    again = pretrain(data, tmp_path, 3)
    assert all(torch.equal(first[name], again[name]) for name in first)
    pretrain(data, tmp_path, 5)
    assert load_state(tmp_path / "pretrain.pt")["step"] == 5


def test_a_changed_setting_on_resume_is_refused_and_a_changed_budget_is_logged(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrain(data, tmp_path, 3)
    main(["pretrain", "--settings", str(tmp_path / "pretrain.json"), "--fresh"])
    with pytest.raises(SystemExit):
        main(["pretrain", "--settings", str(tmp_path / "pretrain.json"), "--seed", "7"])
    assert "seed 0 -> 7" in capsys.readouterr().err
    pretrain(data, tmp_path, 5)
    log = (tmp_path / "pretrain.jsonl").read_text()
    assert '"resumed": "max_steps 3 -> 5"' in log


def test_a_missing_earlier_stage_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run the stage before"):
        main(["contrastive", "--data", str(data), "--run", str(tmp_path), "--max-steps", "1"])


def test_missing_prepared_data_are_named(tmp_path: Path) -> None:
    SmilesTokenizer.from_corpus(MOLECULES).save(tmp_path / "tokenizer.json")
    with pytest.raises(FileNotFoundError, match="training prepare"):
        main(["pretrain", "--data", str(tmp_path), "--run", str(tmp_path / "r"), "--config", "tiny",
              "--max-steps", "1"])  # fmt: skip


def test_training_and_packing_need_no_rdkit() -> None:
    code = (
        "import sys; sys.modules['rdkit'] = None; "  # importing it then fails
        "import models_ml.training.pretrain, models_ml.training.contrastive.stage, "
        "models_ml.training.generative.stage, models_ml.training.pack, models_ml.training.unpack"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_stage_of_the_tiny_run_learns(tiny_checkpoint: Path, tiny_work: Path) -> None:
    log = (tiny_work / "run" / "generative.jsonl").read_text().splitlines()
    metrics = [json.loads(line) for line in log]
    assert metrics[-1]["val_token_nll"] < metrics[0]["token_nll"]
    network = load_network(tiny_work / "run" / "generative.pt")
    assert isinstance(network, GlmrNetwork)


def test_later_stages_do_not_change_frozen_parts(tiny_checkpoint: Path, tiny_work: Path) -> None:
    stages = [load_state(tiny_work / "run" / f"{stage}.pt")["network"]
              for stage in ("pretrain", "contrastive", "generative")]  # fmt: skip
    for name, weights in stages[0].items():
        if name.startswith("molecule_encoder"):
            assert torch.equal(weights, stages[2][name])
    for name, weights in stages[1].items():
        if name.startswith("spectrum_encoder"):
            assert torch.equal(weights, stages[2][name])


def test_an_unpacked_state_cannot_be_resumed(tiny_checkpoint: Path, tiny_work: Path, tmp_path: Path) -> None:
    data, run = str(tiny_work / "data"), str(tmp_path / "run")
    main(["unpack", "--checkpoint", str(tiny_checkpoint), "--data", data, "--run", run])
    with pytest.raises(ValueError, match="--warm-start"):
        main(["contrastive", "--data", data, "--run", run, "--max-steps", "1"])


def test_masking_keeps_the_ends_and_hides_the_share() -> None:
    row = np.array([BOS, *range(10, 50), EOS], np.uint16)
    masked = mask_spans(row, 0.2, np.random.default_rng(0))
    assert masked[0] == BOS
    assert masked[-1] == EOS
    assert MASK in masked
    assert 4 <= len(set(row) - set(masked)) <= 8  # a span may overlap an earlier mask


def test_an_epoch_of_buckets_holds_every_row_once() -> None:
    lengths = np.random.default_rng(0).integers(5, 60, 333)
    rows = np.concatenate(list(length_bucketed(lengths, 16, np.random.default_rng(1))))
    assert sorted(rows) == list(range(333))


def test_whole_library_coverage_counts_ties_at_their_mean_rank(data: Path) -> None:
    spectra = SpectrumArrays.load(data / "train_spectra.npz")
    rows = np.array([0, 2])  # of compounds 0 and 1
    check = RetrievalCheck(
        spectra, rows, np.zeros((0, 0), np.float16), MassSorted.of(np.zeros(0)), np.arange(12)
    )
    vectors = np.eye(12, dtype=np.float32)
    right, all_equal = vectors[[0, 1]], np.ones((2, 12), np.float32)
    assert check.whole_coverage(vectors, right, 1, "cpu") == 1.0
    assert check.whole_coverage(vectors, right[::-1].copy(), 1, "cpu") == 0.0
    assert check.whole_coverage(vectors, all_equal, 6, "cpu") == 0.0
    assert check.whole_coverage(vectors, all_equal, 7, "cpu") == 1.0


def test_ties_have_their_mean_rank() -> None:
    assert expected_rank(np.array([0.5, 0.9, 0.5, 0.5], np.float32), 0) == 3.0
