"""The whole `ranking` command on a few molecules, and the parts that must not leak the truth."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="networks need torch, which is not installed here")

from safetensors.torch import load_file

from models_ml.checkpoint_info import TWIN_FOLDER, BrokenCheckpoint
from models_ml.evaluate.methods.runs import load_twin
from models_ml.evidence.analog_votes import AnalogVotes
from models_ml.inference.annotate import annotate
from models_ml.inference.checkpoint import GlmrModel, load_checkpoint
from models_ml.inference.memory_index import InMemoryLibrary
from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.molecules.standardise import standardise
from models_ml.outcomes import Annotated, AnnotateParams
from models_ml.ranking.features import CHANNELS, ListEvidence, ranker_numbers, without_channel
from models_ml.ranking.model import ABSENCE_KEY, RANKING_FILE, load_ranking
from models_ml.training.arrays import CompoundFolds, MoleculeArrays, SpectrumArrays
from models_ml.training.command_line import main
from models_ml.training.mass_windows import MassSorted, NearMassNegatives
from models_ml.training.ranking.data import TrainingData
from models_ml.training.ranking.evidence import without_candidate
from tests.tiny_checkpoint import MOLECULES


@pytest.fixture
def data(tiny_work: Path, tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """The tiny data in five folds."""
    folder = tmp_path / "data"
    shutil.copytree(tiny_work / "data", folder)
    CompoundFolds(np.arange(len(MOLECULES)) % 5).save(folder / "folds.npz")
    return folder


@pytest.mark.parametrize("blind", [False, True])
def test_the_command_gives_a_checkpoint_that_ranks(
    blind: bool, data: Path, tiny_work: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    checkpoint, copy = tmp_path / "checkpoint", tmp_path / "copy"
    shutil.copytree(tiny_checkpoint, checkpoint)
    command = ["ranking", "--data", str(data), "--run", str(tiny_work / "run"), "--checkpoint"]
    options = ["--blind"] if blind else []
    main([*command, str(checkpoint), *options])
    assert_ranks(checkpoint, blind=blind)

    # Train only the rankers. The same channels and lists give the same rankers.
    shutil.copytree(checkpoint, copy)
    main([*command, str(copy), "--channels-of", str(checkpoint), *options])
    folder = TWIN_FOLDER if blind else "."
    assert_same_but_for_rounding(copy / folder, checkpoint / folder)

    if not blind:
        # Train only the absence classifiers.
        main([*command, str(copy), "--channels-of", str(checkpoint), "--keep-rankers"])
        assert_same_but_for_rounding(copy, checkpoint)
        (checkpoint / RANKING_FILE).write_bytes((checkpoint / RANKING_FILE).read_bytes()[:-1])
        with pytest.raises(BrokenCheckpoint, match="not the file"):
            load_checkpoint(checkpoint)


def assert_ranks(checkpoint: Path, *, blind: bool) -> None:
    model = load_checkpoint(checkpoint)
    if blind:
        assert model.ranking is None  # the twin's ranking is not the model's
        twin = load_twin(model, None)
        assert twin is not None
        assert not twin.has_networks
        model = twin.model
    assert model.ranking is not None
    assert model.ranking.is_blind == blind
    assert bool(model.ranking.absence_classifiers) != blind
    molecules = [standardise(smiles) for smiles in MOLECULES]
    embeddings = model.embed_molecules([molecule.smiles for molecule in molecules])
    library = InMemoryLibrary(molecules, embeddings)
    spectrum = fragment_spectrum(molecules[3].smiles)
    outcome = annotate([spectrum], model=model, retrieve=library.retrieve, params=AnnotateParams())[0]
    assert isinstance(outcome, Annotated)
    assert outcome.confidence is not None
    channels = {"fingerprint"} if blind else {"fingerprint", "fragments", "fragment_coverage", "predicted"}
    assert set(outcome.candidates[0].evidence) == channels


def assert_same_but_for_rounding(first: Path, second: Path) -> None:
    """Heads are stored rounded, and only the absence classifiers read their absolute values."""
    tensors, others = (load_file(folder / RANKING_FILE) for folder in (first, second))
    assert set(tensors) == set(others)
    for name, value in tensors.items():
        if name.startswith(f"{ABSENCE_KEY}."):
            assert value == pytest.approx(others[name], abs=0.01), name
        else:
            assert (value == others[name]).all(), name


def test_heads_without_decoys_are_a_baseline_of_the_evaluation(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "bits"
    main(["baseline", "--data", str(data), "--out", str(out)])
    heads = load_ranking(out)
    assert heads is not None
    assert len(heads.heads) == 2
    features = [SpectrumArrays.load(data / "train_spectra.npz").features(0)]
    assert heads.log_odds(features, [100.0]).shape == (1, 2048)


def test_a_folder_without_a_blind_ranking_is_not_a_twin(tiny_model: GlmrModel, tmp_path: Path) -> None:
    assert load_twin(tiny_model, None) is None
    with pytest.raises(BrokenCheckpoint, match="holds no blind twin"):
        load_twin(tiny_model, tmp_path)


def test_each_channel_can_be_left_out() -> None:
    scores = np.arange(4, dtype=np.float32)
    votes = AnalogVotes(np.tile(scores[:, None], (1, 8)), np.ones(3, np.float32))
    whole = ListEvidence(4, scores, scores, scores, scores, scores, scores, scores, votes)
    numbers, _ = ranker_numbers(whole)
    for channel in CHANNELS:
        less, _ = ranker_numbers(without_channel(whole, channel))
        assert less.shape == numbers.shape
        assert (less == 0).sum() > (numbers == 0).sum(), channel
    with pytest.raises(ValueError, match="Choose one of fingerprint"):
        without_channel(whole, "guess")


def test_every_list_holds_its_truth(data: Path) -> None:
    loaded = TrainingData.load(data)
    for candidate_list in loaded.lists(np.arange(len(loaded.spectra))):
        candidates = candidate_list.candidates
        own = loaded.own[loaded.spectra.compound[candidate_list.spectrum]]
        assert candidates[candidate_list.truth] == own
        assert len(set(candidates)) == len(candidates)


def test_deleting_the_truth_removes_it_from_every_channel() -> None:
    scores = np.arange(4, dtype=np.float32)
    votes = AnalogVotes(np.tile(scores[:, None], (1, 8)), np.ones(3, np.float32))
    whole = ListEvidence(4, scores, scores, scores, scores, scores, scores, scores, votes)
    left = without_candidate(whole, 2)
    assert left.n_candidates == 3
    for channel in (left.fingerprint, left.contrastive, left.fragments, left.predicted, left.likelihood):
        assert channel is not None
        assert channel.tolist() == [0, 1, 3]
    assert left.analogs is not None
    assert left.analogs.votes[:, 0].tolist() == [0, 1, 3]


def test_decoys_are_never_held_out_or_the_molecule_itself(tiny_work: Path) -> None:
    library = MoleculeArrays.load(tiny_work / "data" / "pretrain.npz")
    held_out = np.array([2, 5])
    decoys = NearMassNegatives(MassSorted.of(library.exact_mass, without=held_out), reach=3)
    own = np.array([0, 1, 2])
    drawn = decoys.draw(library.exact_mass[own], own, 50, np.random.default_rng(0))
    assert not np.isin(drawn, held_out).any()
    assert not (drawn == own[:, None]).any()
