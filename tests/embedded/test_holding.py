"""Only one process holds a data directory, and a killed holder leaves nothing behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psycopg
import pytest

from glmr_server.embedded.data_directory import DataDirectory, DirectoryHeld, DirectoryUnusable
from glmr_server.embedded.postgres import EmbeddedPostgres
from tests.embedded.holder import holding
from tests.embedded.processes import eventually, running


def test_second_holder_is_refused_with_the_address_of_the_first(empty_data_dir: Path) -> None:
    with DataDirectory(empty_data_dir) as first:
        first.announce("http://127.0.0.1:8000")
        with pytest.raises(DirectoryHeld, match=rf"process {os.getpid()}, serving http://127.0.0.1:8000"):
            DataDirectory(empty_data_dir)
    with DataDirectory(empty_data_dir):
        pass


def test_killing_the_holder_stops_the_services_and_frees_the_directory(data_dir: Path) -> None:
    with holding(data_dir) as holder:
        with psycopg.connect(holder.url) as connection:
            connection.execute("CREATE TABLE kept ()")
        holder.process.send_signal(signal.SIGKILL)
        holder.process.wait()
        # Immediately, while the old servers may still be stopping.
        with DataDirectory(data_dir) as directory, EmbeddedPostgres(directory) as server:
            with psycopg.connect(server.url) as connection:
                connection.execute("SELECT * FROM kept")
            assert eventually(lambda: not running(holder.postgres))
            assert eventually(lambda: not running(holder.redis))


def test_killing_all_processes_loses_no_row(data_dir: Path) -> None:
    with holding(data_dir) as holder:
        with psycopg.connect(holder.url) as connection:
            connection.execute("CREATE TABLE kept ()")
        for pid in (holder.process.pid, holder.postgres, holder.redis):
            os.kill(pid, signal.SIGKILL)
        holder.process.wait()
    with (
        DataDirectory(data_dir) as directory,
        EmbeddedPostgres(directory) as server,
        psycopg.connect(server.url) as connection,
    ):
        connection.execute("SELECT * FROM kept")


def test_unusable_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryUnusable, match="GLMR_DATA_DIR"):
        DataDirectory(tmp_path / "file")


def test_socket_directory_of_another_user_is_refused(empty_data_dir: Path) -> None:
    empty_data_dir.mkdir(parents=True)
    (empty_data_dir / "run").symlink_to("/tmp")
    with pytest.raises(DirectoryUnusable, match="belongs to another user"):
        DataDirectory(empty_data_dir)
