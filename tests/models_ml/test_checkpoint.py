"""Checkpoint folders: completeness, hashes, and that loading gives the saved network."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models_ml.checkpoint_info import BrokenCheckpoint, read_checkpoint_info

SHIPPED = Path(__file__).parents[2] / "models_ml" / "checkpoints" / "glmr-0.6"


@pytest.fixture
def copy(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "copy"))


def test_hashes_match_the_files(tiny_checkpoint: Path) -> None:
    info = read_checkpoint_info(tiny_checkpoint)
    weights = (tiny_checkpoint / "model.safetensors").read_bytes()
    assert info.checkpoint_sha256 == hashlib.sha256(weights).hexdigest()
    assert info.embedding_dim == 32
    assert info.training["pretrain"]["steps"] == 20


def test_loading_gives_the_trained_network(tiny_checkpoint: Path, tiny_work: Path) -> None:
    from models_ml.inference.checkpoint import load_checkpoint
    from models_ml.training.states import load_network

    model = load_checkpoint(tiny_checkpoint)
    trained = load_network(tiny_work / "run" / "generative.pt").state_dict()
    for name, weights in model.network.state_dict().items():
        assert np.allclose(weights, trained[name], rtol=0.01, atol=1e-4), name
    assert model.sha256 == model.info.checkpoint_sha256
    assert model.embedding_dim == 32


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BrokenCheckpoint, match=name):
        read_checkpoint_info(copy)


def test_changed_weights_are_refused(copy: Path) -> None:
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    with pytest.raises(BrokenCheckpoint, match="is not the file"):
        read_checkpoint_info(copy)


def test_another_preprocessing_version_is_refused(copy: Path) -> None:
    from models_ml.inference.checkpoint import load_checkpoint

    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "preprocess_version": "0"}))
    with pytest.raises(BrokenCheckpoint, match="preprocessing"):
        load_checkpoint(copy)


def test_reading_the_description_needs_no_torch(tiny_checkpoint: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from models_ml.checkpoint_info import read_checkpoint_info; "
        "read_checkpoint_info(Path(sys.argv[1])); assert 'torch' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code, str(tiny_checkpoint)], check=True, cwd=root)


def test_the_shipped_checkpoint_is_complete_and_has_a_model_card() -> None:
    info = read_checkpoint_info(SHIPPED)
    assert info.name == "glmr-0.6"
    assert info.metrics
    card = (SHIPPED / "MODEL_CARD.md").read_text()
    assert info.checkpoint_sha256[:12] in card
    assert all(path.stat().st_size < 50 * 2**20 for path in SHIPPED.iterdir())
