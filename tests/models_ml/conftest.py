"""Fixtures that need torch: a small trained checkpoint, its model and a library of its molecules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import tiny_checkpoint as tiny

if TYPE_CHECKING:
    from models_ml.inference.checkpoint import GlmrModel
    from models_ml.inference.memory_index import InMemoryLibrary


@pytest.fixture(scope="session")
def tiny_work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the training run of `tiny_checkpoint`: `data` and `run`."""
    pytest.importorskip("torch", reason="networks need torch, which is not installed here")
    return tmp_path_factory.mktemp("tiny_work")


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("checkpoint") / "tiny", work=tiny_work)


@pytest.fixture(scope="session")
def tiny_model(tiny_checkpoint: Path) -> GlmrModel:
    import torch

    from models_ml.inference.checkpoint import load_checkpoint

    torch.set_num_threads(1)
    return load_checkpoint(tiny_checkpoint)


@pytest.fixture(scope="session")
def tiny_library(tiny_model: GlmrModel) -> InMemoryLibrary:
    from models_ml.inference.memory_index import InMemoryLibrary
    from models_ml.molecules.standardise import standardise

    molecules = [standardise(smiles) for smiles in tiny.MOLECULES]
    return InMemoryLibrary(molecules, tiny_model.embed_molecules([molecule.smiles for molecule in molecules]))
