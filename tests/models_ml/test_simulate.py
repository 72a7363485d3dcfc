"""Simulated spectra of library structures, and a contrastive stage that learns from them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="networks need torch, which is not installed here")

from models_ml.molecules.standardise import standardise
from models_ml.networks.fingerprint_head import FingerprintHead, FingerprintHeadConfig
from models_ml.networks.fragment_intensity import PredictedPeaksScorer
from models_ml.networks.fragment_scorer import FragmentScorer
from models_ml.ranking.model import RankingModel, save_ranking
from models_ml.ranking.ranker import Ranker
from models_ml.tokenizer import SmilesTokenizer
from models_ml.training.arrays import CompoundFolds, MoleculeArrays, SpectrumArrays
from models_ml.training.command_line import main
from models_ml.training.prepare import as_structure
from models_ml.training.ranking.fingerprint_heads import vocabulary_of
from models_ml.training.spellings import molecule_arrays
from models_ml.training.states import load_state
from tests.tiny_checkpoint import MOLECULES

UNMEASURED = ["CCOC(=O)c1ccccc1", "CC(=O)Nc1ccccc1O", "NCCc1ccccc1O"]


@pytest.fixture
def data(tiny_work: Path, tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """The tiny data with a library that also holds molecules without a measured spectrum."""
    folder = tmp_path / "data"
    shutil.copytree(tiny_work / "data", folder)
    CompoundFolds(np.arange(len(MOLECULES)) % 5).save(folder / "folds.npz")
    tokenizer = SmilesTokenizer.load(folder / "tokenizer.json")
    more = [as_structure(standardise(smiles)) for smiles in UNMEASURED]
    library = MoleculeArrays.load(folder / "pretrain.npz")
    both = library.followed_by(molecule_arrays(more, tokenizer, variants=1, seed=0, progress=False))
    assert both.smiles == [*library.smiles, *(structure.smiles for structure in more)]
    assert both.spelling(len(library), 0).tolist() == tokenizer.encode(more[0].smiles, max_tokens=64)
    both.save(folder / "pretrain.npz")
    return folder


def test_spectra_of_unmeasured_structures_are_simulated_and_used_for_training(
    data: Path, tiny_work: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    checkpoint, out, run = tmp_path / "checkpoint", data / "simulated.npz", tmp_path / "run"
    shutil.copytree(tiny_checkpoint, checkpoint)
    spectra = SpectrumArrays.load(data / "train_spectra.npz")
    vocabulary = vocabulary_of(spectra, np.arange(len(spectra)))
    head = FingerprintHead(FingerprintHeadConfig(len(vocabulary)))
    save_ranking(
        checkpoint, RankingModel(vocabulary, [head], FragmentScorer(), PredictedPeaksScorer(), [Ranker()])
    )
    command = ["simulate", "--data", str(data), "--checkpoint", str(checkpoint), "--number", "99"]
    main([*command, "--out", str(out)])

    made = SpectrumArrays.load(out)
    assert sorted(made.compound) == [len(MOLECULES) + n for n in range(len(UNMEASURED))]
    for row in range(len(made)):
        features = made.features(row)
        assert (np.diff(features.mz) > 0).all()
        assert features.mz.max() < features.precursor_mz + 2.1
        assert features.intensity.max() == 1.0
    main([*command, "--processes", "2", "--out", str(data / "again.npz")])
    again = SpectrumArrays.load(data / "again.npz")
    assert np.array_equal(made.mz, again.mz)
    assert np.array_equal(made.intensity, again.intensity)

    shutil.copytree(tiny_work / "run", run)
    (run / "library_pooled.npy").unlink(missing_ok=True)
    main(["contrastive", "--data", str(data), "--run", str(run), "--simulated", str(out), "--fresh",
          "--n-simulated", "2", "--max-steps", "2", "--batch-size", "8", "--threads", "1"])  # fmt: skip
    assert load_state(run / "contrastive.pt")["settings"]["n_simulated"] == 2


def test_a_checkpoint_without_a_fragmentation_model_cannot_simulate(
    data: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="run `ranking` on it first"):
        main(["simulate", "--data", str(data), "--checkpoint", str(tiny_checkpoint), "--out",
              str(tmp_path / "out.npz")])  # fmt: skip
