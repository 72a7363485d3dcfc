"""The `ranking` command, whole, on a handful of molecules; and its parts where they must not leak."""

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
from models_ml.ranking.model import RANKING_FILE, load_ranking
from models_ml.training.__main__ import main
from models_ml.training.arrays import CompoundFolds, MoleculeArrays, SpectrumArrays
from models_ml.training.ranking.evidence import Pools, without_candidate
from models_ml.training.validation import NearMassNegatives
from models_ml.training.vectors import MassSorted
from tests.tiny_checkpoint import MOLECULES


@pytest.mark.parametrize("blind", [False, True])
def test_the_command_gives_a_checkpoint_that_ranks(
    blind: bool, tiny_work: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    data, checkpoint = tmp_path / "data", tmp_path / "checkpoint"
    shutil.copytree(tiny_work / "data", data)
    shutil.copytree(tiny_checkpoint, checkpoint)
    CompoundFolds(np.arange(len(MOLECULES)) % 5).save(data / "folds.npz")
    arguments = ["--data", str(data), "--run", str(tiny_work / "run"), "--checkpoint", str(checkpoint)]
    main(["ranking", *arguments, *(["--blind"] if blind else [])])

    model = load_checkpoint(checkpoint)
    if blind:
        assert model.ranking is None  # the twin's ranking is not the model's
        twin = load_twin(model, None)
        assert twin is not None
        assert not twin.has_networks
        model = twin.model
    assert model.ranking is not None
    assert model.ranking.is_blind == blind
    assert bool(model.ranking.judges) != blind
    molecules = [standardise(one) for one in MOLECULES]
    library = InMemoryLibrary(molecules, model.embed_molecules([one.smiles for one in molecules]))
    spectrum = fragment_spectrum(molecules[3].smiles)
    outcome = annotate([spectrum], model=model, retrieve=library.retrieve, params=AnnotateParams())[0]
    assert isinstance(outcome, Annotated)
    assert outcome.confidence is not None
    said = {"fingerprint"} if blind else {"fingerprint", "fragments", "explained", "predicted"}
    assert set(outcome.candidates[0].evidence) == said

    # Rankers alone, with the channels of that checkpoint: the same channels and the same lists, so the same.
    again = tmp_path / "again"
    shutil.copytree(checkpoint, again)
    main(
        [
            "ranking",
            *arguments[:-1],
            str(again),
            "--channels-of",
            str(checkpoint),
            *(["--blind"] if blind else []),
        ]
    )
    folder = TWIN_FOLDER if blind else "."
    assert_same_but_for_rounding(again / folder, checkpoint / folder)

    if not blind:
        # Judges alone, under the same rankers.
        main(["ranking", *arguments[:-1], str(again), "--channels-of", str(checkpoint), "--keep-rankers"])
        assert_same_but_for_rounding(again, checkpoint)
        (checkpoint / RANKING_FILE).write_bytes((checkpoint / RANKING_FILE).read_bytes()[:-1])
        with pytest.raises(BrokenCheckpoint, match="not the file"):
            load_checkpoint(checkpoint)


def assert_same_but_for_rounding(one: Path, other: Path) -> None:
    """Heads are stored rounded, and only the judges read what they say in its own units."""
    first, second = (load_file(folder / RANKING_FILE) for folder in (one, other))
    assert set(first) == set(second)
    for name, value in first.items():
        if name.startswith("judge."):
            assert value == pytest.approx(second[name], abs=0.01), name
        else:
            assert (value == second[name]).all(), name


def test_rankers_that_are_kept_need_a_checkpoint_to_take_them_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = str(tmp_path)
    with pytest.raises(SystemExit):
        main(["ranking", "--data", where, "--run", where, "--checkpoint", where, "--keep-rankers"])
    assert "--channels-of" in capsys.readouterr().err


def test_heads_without_decoys_are_a_baseline_of_the_evaluation(tiny_work: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "bits"
    shutil.copytree(tiny_work / "data", data)
    CompoundFolds(np.arange(len(MOLECULES)) % 5).save(data / "folds.npz")
    main(["baseline", "--data", str(data), "--out", str(out)])
    heads = load_ranking(out)
    assert heads is not None
    assert len(heads.heads) == 2
    features = [SpectrumArrays.load(data / "train_spectra.npz").features(0)]
    assert heads.log_odds(features, [100.0]).shape == (1, 2048)


def test_a_folder_that_holds_no_blind_ranking_is_no_twin(tiny_model: GlmrModel, tmp_path: Path) -> None:
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
    with pytest.raises(ValueError, match="there are fingerprint"):
        without_channel(whole, "guess")


def test_every_list_holds_its_truth(tiny_work: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny_work / "data", data)
    CompoundFolds(np.zeros(len(MOLECULES), int)).save(data / "folds.npz")
    pools = Pools.load(data)
    for one in pools.lists(np.arange(len(pools.spectra))):
        assert one.candidates[one.truth] == pools.own[pools.spectra.compound[one.spectrum]]
        assert len(set(one.candidates)) == len(one.candidates)


def test_deleting_the_truth_takes_it_from_every_channel() -> None:
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


def test_decoys_are_of_like_mass_and_never_held_out(tiny_work: Path) -> None:
    library = MoleculeArrays.load(tiny_work / "data" / "pretrain.npz")
    held = np.array([2, 5])
    decoys = NearMassNegatives(MassSorted.of(library.exact_mass, without=held), reach=3)
    own = np.array([0, 1, 2])
    drawn = decoys.draw(library.exact_mass[own], own, 50, np.random.default_rng(0))
    assert not np.isin(drawn, held).any()
    assert not (drawn == own[:, None]).any()
