"""Real services for the tests: PostgreSQL with pgvector and Redis, started when a test first needs one.

Their addresses are set before Django loads. This file also imports where Django is not installed, so that
the tests of `models_ml` can run without it. GLMR_TEST_DATABASE_URL and GLMR_TEST_BROKER_URL select other
services.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.chromium import browser

if TYPE_CHECKING:
    from glmr_server.embedded.data_directory import DataDirectory
    from glmr_server.embedded.redis import EmbeddedRedis

__all__ = ["browser"]

ROOT = Path(__file__).resolve().parent.parent
HAS_DJANGO = importlib.util.find_spec("django") is not None
# For speed: the cluster is deleted after the tests.
UNSAFE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def pytest_configure(config: pytest.Config) -> None:
    # The process that hands out tests to others runs none, and the others inherit its environment.
    hands_out = getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput")
    if not HAS_DJANGO or hands_out:
        return
    # A short path, because sockets are created in it, and never the developer's data directory.
    data_dir = Path(tempfile.mkdtemp(prefix="glmr-t-", dir="/tmp"))
    config.add_cleanup(lambda: shutil.rmtree(data_dir, ignore_errors=True))
    os.environ["GLMR_DATA_DIR"] = str(data_dir)
    os.environ["DJANGO_SETTINGS_MODULE"] = "glmr_server.settings"
    os.environ["GLMR_SECRET_KEY"] = "only-for-tests"
    for name in ("DATABASE_URL", "BROKER_URL"):
        os.environ.pop(f"GLMR_{name}", None)
        if given := os.environ.get(f"GLMR_TEST_{name}"):
            os.environ[f"GLMR_{name}"] = given
    from django.conf import settings

    assert data_dir == settings.DATA_DIR  # loads the settings, so that pytest-django sets up Django
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    # Otherwise every user that a test creates costs half a second.
    PBKDF2PasswordHasher.iterations = 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make test` runs tests of the browser in separate processes.

    Playwright keeps its event loop in the thread of the tests, where asynchronous views of other tests need
    one, and Django has other connections beside a loop than without one.
    """
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def data_directory() -> Iterator[DataDirectory]:
    """The data directory of the test session, locked."""
    from glmr_server.embedded.data_directory import DataDirectory

    with DataDirectory(Path(os.environ["GLMR_DATA_DIR"])) as directory:
        yield directory


@pytest.fixture(scope="session")
def postgres_server(data_directory: DataDirectory) -> Iterator[str]:
    """Address of a running PostgreSQL, as in the settings."""
    if given := os.environ.get("GLMR_TEST_DATABASE_URL"):
        yield given
        return
    from glmr_server.embedded.postgres import EmbeddedPostgres

    with EmbeddedPostgres(data_directory, UNSAFE_SETTINGS) as server:
        yield server.url


@pytest.fixture(scope="session")
def embedded_redis(data_directory: DataDirectory) -> Iterator[EmbeddedRedis]:
    """The running Redis, for tests that kill it and start it again."""
    from glmr_server.embedded.redis import EmbeddedRedis

    with EmbeddedRedis(data_directory) as server:
        yield server


@pytest.fixture
def redis_server(embedded_redis: EmbeddedRedis) -> str:
    """Address of the running embedded Redis, emptied."""
    import redis

    if not embedded_redis.alive:
        embedded_redis.start()
    with redis.Redis(unix_socket_path=str(embedded_redis.socket)) as client:
        client.flushall()
    return embedded_redis.url


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres_server: str) -> None:
    """pytest-django uses this before it creates the test database: start PostgreSQL now.

    A transactional test cleans up with TRUNCATE, which verdicts refuse. Only there the triggers are
    switched off.
    """
    from django.db.backends.postgresql.operations import DatabaseOperations

    plain = DatabaseOperations.sql_flush

    def without_triggers(self: DatabaseOperations, *arguments: Any, **options: Any) -> list[str]:
        statements = plain(self, *arguments, **options)
        return ["SET LOCAL session_replication_role = replica;", *statements] if statements else statements

    setattr(DatabaseOperations, "sql_flush", without_triggers)  # noqa: B010, mypy refuses the plain assignment


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data. Skips the test, with the path, if there is none."""
    given = os.environ.get("GLMR_SHARED_DATA")
    folder = Path(given) if given else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real data in ../shared/data (or GLMR_SHARED_DATA), which is absent here")
    return folder


@pytest.fixture
def process_environment(transactional_db: None, postgres_server: str, redis_server: str) -> dict[str, str]:
    """Environment for real child processes (a worker, beat): the test database and the test broker.

    Uses committed rows, as another process sees no others.
    """
    from django.db import connection

    address = urlsplit(postgres_server)._replace(path=f"/{connection.settings_dict['NAME']}")
    broker = os.environ.get("GLMR_TEST_BROKER_URL", redis_server)
    return {**os.environ, "GLMR_DATABASE_URL": urlunsplit(address), "GLMR_BROKER_URL": broker}
