"""A tiny checkpoint, and real worker processes with short leases.

Pytest loads this file before Django is set up, so what needs Django is imported inside the fixtures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from annotation.models import ModelVersion
    from tests.worker.processes import Process

    Start = Callable[..., Process]

# Short, so that the test notices a lost worker. The rules do not depend on the length.
SHORT = {"GLMR_LEASE_S": "5", "GLMR_HEARTBEAT_S": "1", "GLMR_RING_S": "1", "GLMR_BATCH_SIZE": "2"}


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("checkpoint"), seed=0)


def untrained(folder: Path, *, seed: int) -> Path:
    """A checkpoint of untrained weights: the tests are about the work around the model."""
    torch = pytest.importorskip("torch")
    from models_ml.config import named_config
    from models_ml.inference.checkpoint import save_checkpoint
    from models_ml.networks.glmr import GlmrNetwork
    from models_ml.tokenizer import SmilesTokenizer
    from tests.annotation.builders import SMILES

    torch.manual_seed(seed)
    tokenizer = SmilesTokenizer.from_corpus(SMILES, min_count=1)
    network = GlmrNetwork(named_config("tiny", vocabulary_size=len(tokenizer)))
    save_checkpoint(folder, network, tokenizer, name=f"tiny-{seed}", training={})
    return folder


@pytest.fixture
def model_version(tiny_checkpoint: Path) -> ModelVersion:
    from annotation.libraries.register_checkpoint import register_checkpoint

    return register_checkpoint(tiny_checkpoint)


@pytest.fixture
def start(process_environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start `worker` or `beat` as the server does. All are killed at the end. A failure shows their logs."""
    from tests.worker.processes import Process

    started: list[Process] = []

    def start_process(kind: str, **environment: str) -> Process:
        log = tmp_path / f"{kind}-{len(started)}.log"
        process = Process(kind, {**process_environment, **SHORT, **environment}, log)
        started.append(process)
        return process

    yield start_process
    for process in started:
        process.kill()
        print(f"--- {process.log.name}\n{process.log.read_text()[-4000:]}")
