"""Contrastive training beyond the paper: library negatives, hidden heads, going on from a checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch, which is not installed here")

import torch

from models_ml.config import named_config
from models_ml.networks.embedding_head import EmbeddingHead
from models_ml.networks.glmr import GlmrNetwork
from models_ml.training.__main__ import main
from models_ml.training.arrays import SpectrumArrays
from models_ml.training.contrastive import ContrastiveChoices, ContrastiveData, HardNegatives, ms2mol_loss
from models_ml.training.run import load_but_for_new_heads, load_network


def test_the_stage_goes_on_from_a_checkpoint_with_new_heads(
    tiny_checkpoint: Path, tiny_work: Path, tmp_path: Path
) -> None:
    data, start, run = str(tiny_work / "data"), str(tmp_path / "start"), str(tmp_path / "run")
    main(["unpack", "--checkpoint", str(tiny_checkpoint), "--data", data, "--run", start])
    main(["contrastive", "--data", data, "--run", run, "--source", start, "--max-steps", "2",
          "--threads", "1", "--warm-start", f"{start}/contrastive.pt", "--train-head", "--batch-size", "4",
          "--head-hidden", "8", "--mass-negatives", "--library-negatives", "5",
          "--hard-negatives", "3"])  # fmt: skip
    network = load_network(tmp_path / "run" / "contrastive.pt")
    assert network.config.head_hidden == 8
    assert network.state_dict()["molecule_encoder.head.beside.3.weight"].abs().sum() > 0


def test_a_new_hidden_head_changes_nothing_at_first() -> None:
    torch.manual_seed(0)
    plain, deeper = EmbeddingHead(6, 4), EmbeddingHead(6, 4, hidden=5)
    load_but_for_new_heads(deeper, plain.state_dict())
    x = torch.randn(3, 6)
    assert torch.equal(plain(x), deeper(x))
    assert torch.allclose(plain(x).norm(dim=1), torch.ones(3))


def test_a_state_that_lacks_more_is_refused() -> None:
    network = GlmrNetwork(named_config("tiny", vocabulary_size=9))
    state = network.state_dict()
    state.pop("spectrum_encoder.norm.weight")
    with pytest.raises(ValueError, match=r"spectrum_encoder\.norm\.weight"):
        load_but_for_new_heads(network, state)


def test_a_spectrums_own_molecule_is_no_negative() -> None:
    vectors = torch.eye(4)
    scale = torch.tensor(20.0)
    own = torch.eye(4, dtype=torch.bool)
    assert ms2mol_loss(vectors, vectors, scale, shared=vectors, is_own=own).item() < 1e-3
    none = torch.zeros(4, 4, dtype=torch.bool)
    as_good = ms2mol_loss(vectors, vectors, scale, shared=vectors, is_own=none).item()
    assert as_good == pytest.approx(np.log(2), abs=1e-3)


def test_hard_negatives_are_the_nearest_that_may_be_shown(tiny_work: Path, tiny_checkpoint: Path) -> None:
    spectra = SpectrumArrays.load(tiny_work / "data" / "train_spectra.npz")
    pooled = torch.zeros((6, 4), dtype=torch.float16)
    data = ContrastiveData(
        spectra,
        usable=np.arange(1),
        simulated=np.arange(0),
        pooled=pooled,
        library_pooled=pooled,
        own=np.arange(6),
        may_be_shown=np.array([0, 1, 2, 4, 5]),
        near_mass=None,
    )
    hard = HardNegatives(data, ContrastiveChoices(n_hard_negatives=2))
    hard.vectors = torch.eye(6)[[0, 1, 2, 4, 5]]
    spectrum = torch.tensor([[0.9, 0.8, 0.7, 1.0, 0.6, 0.1], [0.1, 0.2, 0.3, 1.0, 0.4, 0.5]])
    found = hard.nearest(spectrum, np.array([0, 3]))
    assert found.tolist() == [[1, 2], [5, 4]]
