"""A data directory with a short name for each test, because sockets are created in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from glmr_server.embedded.data_directory import DataDirectory
from glmr_server.embedded.postgres import EmbeddedPostgres


@pytest.fixture
def empty_data_dir() -> Iterator[Path]:
    """A path at which a first start can create everything."""
    folder = Path(tempfile.mkdtemp(prefix="glmr-e-", dir="/tmp"))
    yield folder / "data"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def made_cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster as the first start creates it. Creating one takes a second of processor time."""
    folder = tmp_path_factory.mktemp("cluster")
    with DataDirectory(folder) as directory, EmbeddedPostgres(directory, {"fsync": "off"}) as server:
        pass
    return server.cluster


@pytest.fixture
def data_dir(empty_data_dir: Path, made_cluster: Path) -> Path:
    """A data directory after its first start."""
    shutil.copytree(made_cluster, empty_data_dir / "postgres")
    return empty_data_dir
