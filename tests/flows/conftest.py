"""The checkpoint of the worker tests and a newer one, for flows through the code of the worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worker.conftest import model_version, tiny_checkpoint, untrained

__all__ = ["model_version", "newer_checkpoint", "tiny_checkpoint"]


@pytest.fixture(scope="session")
def newer_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("newer"), seed=1)
