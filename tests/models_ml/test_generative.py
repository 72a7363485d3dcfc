"""The generative stage: fusions, candidates, and which encoder reads which spectrum."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch, which is not installed here")

import torch

from models_ml.networks.context import NO_CANDIDATE
from models_ml.networks.fusion import FUSIONS
from models_ml.networks.glmr import GlmrNetwork
from models_ml.training.arrays import CompoundFolds, MoleculeArrays, SpectrumArrays
from models_ml.training.command_line import main
from models_ml.training.contrastive.data import load_contrastive_data
from models_ml.training.generative.candidates import CandidateSet
from models_ml.training.generative.data import GenerativeData, batches_of_parts
from models_ml.training.generative.parts import training_parts
from models_ml.training.generative.token_reader import TokenReader
from models_ml.training.prepared import load_library, load_spectra
from models_ml.training.settings import ContrastiveSettings, GenerativeSettings
from models_ml.training.states import load_network, load_state
from tests.tiny_checkpoint import MOLECULES

N = len(MOLECULES)


@pytest.fixture
def network(tiny_checkpoint: Path, tiny_work: Path) -> GlmrNetwork:
    return load_network(tiny_work / "run" / "contrastive.pt")


@pytest.mark.parametrize(("kind", "context"), [("average", 0), ("concat", 0), ("none", 0), ("cross", 2)])
def test_the_decoder_trains_with_every_fusion(
    kind: str, context: int, tiny_checkpoint: Path, tiny_work: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("pretrain.pt", "contrastive.pt"):
        (run / name).write_bytes((tiny_work / "run" / name).read_bytes())
    main(["generative", "--data", str(tiny_work / "data"), "--run", str(run), "--fusion", kind,
          "--context-molecules", str(context), "--max-steps", "2", "--threads", "1"])  # fmt: skip
    network = load_network(run / "generative.pt")
    assert network.config.fusion == kind
    assert type(network.fusion) is FUSIONS[kind]
    assert (network.context is not None) == bool(context)


def test_the_truth_is_dropped_in_the_chosen_rows(network: GlmrNetwork, tiny_work: Path) -> None:
    spectra, compounds = load_spectra(tiny_work / "data", "train")
    library = MoleculeArrays.load(tiny_work / "data" / "pretrain.npz")
    candidates = np.array([[0, 5, NO_CANDIDATE], [0, 5, NO_CANDIDATE]])
    candidate_set = CandidateSet(np.array([0, 1]), candidates, np.array([0, 0]))
    reader = TokenReader(network, library, "cpu")
    vectors = np.eye(N, dtype=np.float32)
    prepared = GenerativeData(network.spectrum_encoder, spectra, compounds, candidate_set, vectors, reader)
    batch = prepared.batch(np.array([0, 1]), np.array([True, False]))
    assert batch.keep.tolist() == [[False, True, False], [True, True, False]]
    read = batch.read(torch.tensor([[1, NO_CANDIDATE], [1, 0]]))
    lengths = library.lengths()[:, 0]
    assert read.keep.sum(1).tolist() == [lengths[5], lengths[5] + lengths[0]]
    assert torch.equal(read.tokens[0, : lengths[5]], read.tokens[1, : lengths[5]])


@pytest.fixture
def cross_fitted(tiny_checkpoint: Path, tiny_work: Path, tmp_path: Path) -> tuple[Path, list[Path]]:
    """The tiny data in two folds, and two contrastive runs that each held out one of them."""
    data = tmp_path / "data"
    shutil.copytree(tiny_work / "data", data)
    CompoundFolds(np.arange(N) % 2).save(data / "folds.npz")
    runs = [tmp_path / "run0", tmp_path / "run1"]
    for fold, run in enumerate(runs):
        main(["contrastive", "--data", str(data), "--run", str(run), "--source", str(tiny_work / "run"),
              "--hold-out", str(fold), "--max-steps", "1", "--batch-size", "8"])  # fmt: skip
    return data, runs


def test_cross_fitted_runs_must_hold_out_different_folds(
    cross_fitted: tuple[Path, list[Path]], tiny_work: Path
) -> None:
    data, runs = cross_fitted
    command = ["generative", "--data", str(data), "--run", str(runs[0]), "--source", str(tiny_work / "run"),
               "--max-steps", "2", "--batch-size", "4", "--threads", "1", "--cross-fitted"]  # fmt: skip
    with pytest.raises(ValueError, match="must hold out another"):
        main([*command, str(runs[0])])
    main([*command, str(runs[1])])
    assert load_state(runs[0] / "generative.pt")["settings"]["cross_fitted"] == [str(runs[1])]


def test_each_encoder_reads_only_spectra_whose_compounds_it_never_saw(
    cross_fitted: tuple[Path, list[Path]], tiny_work: Path
) -> None:
    data, runs = cross_fitted
    simulated = data / "train_spectra.npz"  # has the shape of a file of `simulate`
    settings = GenerativeSettings(
        data=data, run=runs[0], source=tiny_work / "run", cross_fitted=(runs[1],), per_compound=2,
        simulated=simulated, n_candidates=5,
    )  # fmt: skip
    network = load_network(runs[0] / "contrastive.pt")
    library = load_library(settings, network)
    parts = training_parts(settings, network, library)
    spectra = SpectrumArrays.load(data / "train_spectra.npz")
    assert [set(part.spectra.compound[part.set.rows] % 2) for part in parts[:2]] == [{0}, {1}]
    assert sum(len(part) for part in parts[:2]) == len(spectra)
    for part, run in zip(parts, [runs[0], runs[1], runs[0]], strict=True):
        weights = load_network(run / "contrastive.pt").spectrum_encoder.state_dict()
        read_by = part.encoder.state_dict()
        assert all(torch.equal(read_by[name], weights[name]) for name in weights)

    contrastive = ContrastiveSettings(data=data, run=runs[0], hold_out=0, simulated=simulated)
    learnt = load_contrastive_data(contrastive, network, library)
    assert not set(learnt.simulated - len(spectra)) & set(parts[2].set.rows)
    assert len(learnt.simulated) + len(parts[2]) == len(spectra)


def test_a_part_is_drawn_in_proportion_to_its_size(network: GlmrNetwork, tiny_work: Path) -> None:
    spectra, compounds = load_spectra(tiny_work / "data", "train")
    reader = TokenReader(network, MoleculeArrays.load(tiny_work / "data" / "pretrain.npz"), "cpu")
    vectors = np.eye(N, dtype=np.float32)
    parts = []
    for rows in (np.arange(18), np.arange(18, 24)):
        no_candidates = np.full((len(rows), 1), NO_CANDIDATE)
        candidate_set = CandidateSet(rows, no_candidates, no_candidates[:, 0])
        parts.append(
            GenerativeData(network.spectrum_encoder, spectra, compounds, candidate_set, vectors, reader)
        )
    drawn = itertools.islice(batches_of_parts(parts, 4, np.random.default_rng(0)), 400)
    share = np.mean([part is parts[0] for part, _ in drawn])
    assert 0.65 < share < 0.85
