"""The contrastive stage: losses, batches, negatives, new heads on a trained network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch, which is not installed here")

import torch

from models_ml.config import named_config
from models_ml.networks.embedding_head import EmbeddingHead
from models_ml.networks.glmr import GlmrNetwork
from models_ml.tensors import batch_of_features
from models_ml.training.arrays import SpectrumArrays
from models_ml.training.augmentation import augment, perturb
from models_ml.training.batches import compound_batches
from models_ml.training.command_line import main
from models_ml.training.contrastive.data import ContrastiveData
from models_ml.training.contrastive.hard_negatives import HardNegatives
from models_ml.training.contrastive.losses import mol2ms_loss, ms2mol_loss
from models_ml.training.settings import ContrastiveSettings
from models_ml.training.states import load_except_new_heads, load_network


@pytest.fixture
def spectra(tiny_work: Path, tiny_checkpoint: Path) -> SpectrumArrays:
    return SpectrumArrays.load(tiny_work / "data" / "train_spectra.npz")


def make_settings(**values: Any) -> ContrastiveSettings:
    return replace(ContrastiveSettings(data=Path(), run=Path()), **values)


def test_the_stage_continues_from_a_checkpoint_with_new_heads(
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
    load_except_new_heads(deeper, plain.state_dict())
    x = torch.randn(3, 6)
    assert torch.equal(plain(x), deeper(x))
    assert torch.allclose(plain(x).norm(dim=1), torch.ones(3))


def test_a_state_that_lacks_other_weights_is_refused() -> None:
    network = GlmrNetwork(named_config("tiny", vocabulary_size=9))
    state = network.state_dict()
    state.pop("spectrum_encoder.norm.weight")
    with pytest.raises(ValueError, match=r"spectrum_encoder\.norm\.weight"):
        load_except_new_heads(network, state)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_batch_holds_a_compound_once(spectra: SpectrumArrays, share: float) -> None:
    rows = np.arange(len(spectra))
    batches = compound_batches(
        spectra, rows, 8, np.random.default_rng(0), mass_sorted_share=share, mass_spread_da=15.0
    )
    for _ in range(10):
        batch = next(batches)
        assert len(set(spectra.compound[batch])) == len(batch) == 8


def test_losses_are_small_where_pairs_agree() -> None:
    vectors = torch.eye(4)
    scale = torch.tensor(20.0)
    assert ms2mol_loss(vectors, vectors, scale).item() < 1e-3
    assert ms2mol_loss(vectors, vectors.flip(0), scale).item() > 5
    assert mol2ms_loss(vectors, vectors, vectors.flip(0), scale).item() < 1e-3
    extra = vectors[:, None, :]  # a negative as good as the positive doubles the choices
    assert ms2mol_loss(vectors, vectors, scale, extra).item() == pytest.approx(np.log(2), abs=1e-3)


def test_the_own_molecule_of_a_spectrum_is_not_a_negative() -> None:
    vectors = torch.eye(4)
    scale = torch.tensor(20.0)
    own = torch.eye(4, dtype=torch.bool)
    assert ms2mol_loss(vectors, vectors, scale, shared=vectors, is_own=own).item() < 1e-3
    no_own = torch.zeros(4, 4, dtype=torch.bool)
    loss = ms2mol_loss(vectors, vectors, scale, shared=vectors, is_own=no_own).item()
    assert loss == pytest.approx(np.log(2), abs=1e-3)


def test_augmentation_keeps_the_base_peak_and_perturbation_keeps_masses(spectra: SpectrumArrays) -> None:
    batch = batch_of_features([spectra.features(row) for row in range(6)])
    augmented = augment(batch, make_settings(peak_dropout=1.0))
    assert (augmented.keep.sum(1) >= 1).all()
    perturbed = perturb(batch)
    assert torch.equal(perturbed.mz, batch.mz)
    assert torch.allclose(perturbed.intensity.amax(1), torch.ones(6))


def test_hard_negatives_are_the_nearest_allowed_molecules(spectra: SpectrumArrays) -> None:
    pooled = torch.zeros((6, 4), dtype=torch.float16)
    data = ContrastiveData(
        spectra,
        measured=np.arange(1),
        simulated=np.arange(0),
        pooled=pooled,
        library_pooled=pooled,
        own=np.arange(6),
        negatives=np.array([0, 1, 2, 4, 5]),
        near_mass=None,
    )
    hard = HardNegatives(data, make_settings(hard_negatives=2))
    hard.vectors = torch.eye(6)[[0, 1, 2, 4, 5]]
    similarities = torch.tensor([[0.9, 0.8, 0.7, 1.0, 0.6, 0.1], [0.1, 0.2, 0.3, 1.0, 0.4, 0.5]])
    nearest = hard.nearest(similarities, np.array([0, 3]))
    assert nearest.tolist() == [[1, 2], [5, 4]]
