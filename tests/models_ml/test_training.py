"""Every stage trains, resumes and repeats; losses mean what they say."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch, which is not installed here")

import torch

from models_ml.networks.context import NO_CANDIDATE
from models_ml.networks.fusion import FUSIONS
from models_ml.networks.glmr import GlmrNetwork
from models_ml.tensors import batch_of_features
from models_ml.tokenizer import BOS, EOS, MASK, SmilesTokenizer
from models_ml.training.__main__ import main
from models_ml.training.arrays import CompoundFolds, MoleculeArrays, SpectrumArrays
from models_ml.training.batches import length_bucketed, mask_spans
from models_ml.training.contrastive import (
    ContrastiveChoices,
    augment,
    compound_batches,
    mol2ms_loss,
    ms2mol_loss,
    perturb,
)
from models_ml.training.generative import CandidateSet, GenerativeData, TokenReader, batches_of_parts
from models_ml.training.run import Budget, load_network, load_state
from models_ml.training.stage_data import (
    StageOptions,
    contrastive_data,
    generative_parts,
    load_library,
    load_spectra,
    shown_rows,
)
from models_ml.training.tiny import write_tiny_data
from models_ml.training.validation import RetrievalCheck, expected_rank
from models_ml.training.vectors import MassSorted
from tests.tiny_checkpoint import MOLECULES


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


def test_a_finished_stage_is_not_run_again_and_a_larger_budget_goes_on(data: Path, tmp_path: Path) -> None:
    first = pretrain(data, tmp_path, 3)
    again = pretrain(data, tmp_path, 3)
    assert all(torch.equal(first[name], again[name]) for name in first)
    pretrain(data, tmp_path, 5)
    assert load_state(tmp_path / "pretrain.pt")["step"] == 5


def test_a_stage_without_the_one_before_says_so(data: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run the stage before"):
        main(["contrastive", "--data", str(data), "--run", str(tmp_path), "--max-steps", "1"])


def test_training_without_prepared_data_says_what_to_run(tmp_path: Path) -> None:
    SmilesTokenizer.from_corpus(MOLECULES).save(tmp_path / "tokenizer.json")
    with pytest.raises(FileNotFoundError, match="training prepare"):
        main(["pretrain", "--data", str(tmp_path), "--run", str(tmp_path / "r"), "--config", "tiny",
              "--max-steps", "1"])  # fmt: skip


def test_training_and_packing_need_no_rdkit() -> None:
    code = (
        "import sys; sys.modules['rdkit'] = None; "  # importing it then fails
        "import models_ml.training.stages, models_ml.training.pack, models_ml.training.__main__"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_every_stage_of_the_tiny_run_learnt(tiny_checkpoint: Path, tiny_work: Path) -> None:
    log = (tiny_work / "run" / "generative.jsonl").read_text().splitlines()
    figures = [json.loads(line) for line in log]
    assert figures[-1]["val_token_nll"] < figures[0]["token_nll"]
    network = load_network(tiny_work / "run" / "generative.pt")
    assert isinstance(network, GlmrNetwork)


def test_later_stages_leave_the_frozen_parts_alone(tiny_checkpoint: Path, tiny_work: Path) -> None:
    stages = [load_state(tiny_work / "run" / f"{stage}.pt")["network"]
              for stage in ("pretrain", "contrastive", "generative")]  # fmt: skip
    for name, weights in stages[0].items():
        if name.startswith("molecule_encoder"):
            assert torch.equal(weights, stages[2][name])
    for name, weights in stages[1].items():
        if name.startswith("spectrum_encoder"):
            assert torch.equal(weights, stages[2][name])


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


def test_masking_keeps_the_ends_and_hides_the_share() -> None:
    row = np.array([BOS, *range(10, 50), EOS], np.uint16)
    masked = mask_spans(row, 0.2, np.random.default_rng(0))
    assert masked[0] == BOS
    assert masked[-1] == EOS
    assert MASK in masked
    assert 4 <= len(set(row) - set(masked)) <= 8  # a span may meet a mask that is there already


def test_an_epoch_of_buckets_holds_every_row_once() -> None:
    lengths = np.random.default_rng(0).integers(5, 60, 333)
    rows = np.concatenate(list(length_bucketed(lengths, 16, np.random.default_rng(1))))
    assert sorted(rows) == list(range(333))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_contrastive_batch_holds_a_compound_once(share: float) -> None:
    compound = np.repeat(np.arange(20), 3)
    mass = np.asarray(compound * 10.0, np.float64)
    choices = ContrastiveChoices(batch_size=8, mass_sorted_share=share)
    batches = compound_batches(compound, mass, choices, np.random.default_rng(0), np.arange(len(compound)))
    for _ in range(10):
        rows = next(batches)
        assert len(set(compound[rows])) == len(rows) == 8


def test_losses_are_small_where_pairs_agree() -> None:
    vectors = torch.eye(4)
    scale = torch.tensor(20.0)
    assert ms2mol_loss(vectors, vectors, scale).item() < 1e-3
    assert ms2mol_loss(vectors, vectors.flip(0), scale).item() > 5
    assert mol2ms_loss(vectors, vectors, vectors.flip(0), scale).item() < 1e-3
    extra = vectors[:, None, :]  # a negative as good as the positive doubles the choices
    assert ms2mol_loss(vectors, vectors, scale, extra).item() == pytest.approx(np.log(2), abs=1e-3)


def test_augmentation_keeps_the_base_peak_and_perturbation_the_masses(data: Path) -> None:
    arrays = SpectrumArrays.load(data / "train_spectra.npz")
    batch = batch_of_features([arrays.features(row) for row in range(6)])
    augmented = augment(batch, ContrastiveChoices(peak_dropout=1.0))
    assert (augmented.keep.sum(1) >= 1).all()
    perturbed = perturb(batch)
    assert torch.equal(perturbed.mz, batch.mz)
    assert torch.allclose(perturbed.intensity.amax(1), torch.ones(6))


def test_the_truth_is_dropped_where_asked(data: Path, tiny_work: Path, tiny_checkpoint: Path) -> None:
    spectra = SpectrumArrays.load(data / "train_spectra.npz")
    compounds = MoleculeArrays.load(data / "train_compounds.npz")
    vectors = np.eye(12, dtype=np.float32)
    candidate_set = CandidateSet(np.array([0, 1]), np.array([[0, 5, -1], [0, 5, -1]]), np.array([0, 0]))
    library = MoleculeArrays.load(data / "pretrain.npz")
    network = load_network(tiny_work / "run" / "contrastive.pt")
    reader = TokenReader(network, library, "cpu")
    prepared = GenerativeData(network.spectrum_encoder, spectra, compounds, candidate_set, vectors, reader)
    shown = prepared.batch(np.array([0, 1]), np.array([True, False]))
    assert shown.keep.tolist() == [[False, True, False], [True, True, False]]
    read = shown.read(torch.tensor([[1, NO_CANDIDATE], [1, 0]]))
    lengths = library.lengths()[:, 0]
    assert read.keep.sum(1).tolist() == [lengths[5], lengths[5] + lengths[0]]
    assert torch.equal(read.tokens[0, : lengths[5]], read.tokens[1, : lengths[5]])


def test_each_spectrum_is_read_by_an_encoder_that_never_saw_its_compound(
    tiny_work: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(tiny_work / "data", folder)
    CompoundFolds(np.arange(len(MOLECULES)) % 2).save(folder / "folds.npz")
    runs = [tmp_path / "out0", tmp_path / "out1"]
    for fold, run in enumerate(runs):
        main(["contrastive", "--data", str(folder), "--run", str(run), "--source", str(tiny_work / "run"),
              "--hold-out", str(fold), "--max-steps", "1", "--batch-size", "8"])  # fmt: skip
    asked = ["generative", "--data", str(folder), "--run", str(runs[0]), "--source", str(tiny_work / "run"),
             "--max-steps", "2", "--batch-size", "4", "--threads", "1", "--cross-fitted"]  # fmt: skip
    with pytest.raises(ValueError, match="must hold out another"):
        main([*asked, str(runs[0])])
    main([*asked, str(runs[1])])
    assert load_state(runs[0] / "generative.pt")["settings"]["cross_fitted"] == 1

    # Which encoder reads what: each its held-out fold alone, this run's own the kept-back simulated ones too.
    options = StageOptions(folder, runs[0], Budget(max_steps=1))
    network = load_network(runs[0] / "contrastive.pt")
    library, pooled = load_library(options, network, tiny_work / "run")
    reader = TokenReader(network, library, "cpu")
    simulated = folder / "train_spectra.npz"  # of the same shape as a file of `simulate`
    parts = generative_parts(options, network, reader, pooled, [runs[1]], 2, simulated, 5)
    spectra, compounds = load_spectra(options, "train")
    assert [set(part.spectra.compound[part.set.rows] % 2) for part in parts[:2]] == [{0}, {1}]
    assert sum(len(part) for part in parts[:2]) == len(spectra)
    for part, own in zip(parts, [runs[0], runs[1], runs[0]], strict=True):
        weights = load_network(own / "contrastive.pt").spectrum_encoder.state_dict()
        read_by = part.encoder.state_dict()
        assert all(torch.equal(read_by[name], weights[name]) for name in weights)
    shown = shown_rows(options, spectra, 0)
    learnt = contrastive_data(
        options, network, spectra, compounds, library, pooled,
        shown=shown, mass_negatives=False, simulated=simulated,
    )  # fmt: skip
    assert not set(learnt.simulated - len(spectra)) & set(parts[2].set.rows)
    assert len(learnt.simulated) + len(parts[2]) == len(spectra)


def test_batches_come_from_every_part_as_often_as_it_is_large(
    data: Path, tiny_work: Path, tiny_checkpoint: Path
) -> None:
    spectra = SpectrumArrays.load(data / "train_spectra.npz")
    compounds = MoleculeArrays.load(data / "train_compounds.npz")
    network = load_network(tiny_work / "run" / "contrastive.pt")
    reader = TokenReader(network, MoleculeArrays.load(data / "pretrain.npz"), "cpu")
    parts = []
    for rows in (np.arange(18), np.arange(18, 24)):
        none = np.full((len(rows), 1), -1)
        found = CandidateSet(rows, none, none[:, 0])
        parts.append(
            GenerativeData(network.spectrum_encoder, spectra, compounds, found, np.eye(12, dtype="f"), reader)
        )
    drawn = itertools.islice(batches_of_parts(parts, 4, np.random.default_rng(0)), 400)
    share = np.mean([part is parts[0] for part, _ in drawn])
    assert 0.65 < share < 0.85


def test_coverage_of_the_whole_library_counts_ties_at_their_mean_place(data: Path) -> None:
    spectra = SpectrumArrays.load(data / "train_spectra.npz")
    rows = np.array([0, 2])  # of compounds 0 and 1
    check = RetrievalCheck(
        spectra, rows, np.zeros((0, 0), np.float16), MassSorted.of(np.zeros(0)), np.arange(12)
    )
    vectors = np.eye(12, dtype=np.float32)
    right, all_alike = vectors[[0, 1]], np.ones((2, 12), np.float32)
    assert check.whole_coverage(vectors, right, 1, "cpu") == 1.0
    assert check.whole_coverage(vectors, right[::-1].copy(), 1, "cpu") == 0.0
    assert check.whole_coverage(vectors, all_alike, 6, "cpu") == 0.0
    assert check.whole_coverage(vectors, all_alike, 7, "cpu") == 1.0


def test_ties_take_their_mean_place() -> None:
    assert expected_rank(np.array([0.5, 0.9, 0.5, 0.5], np.float32), 0) == 3.0
