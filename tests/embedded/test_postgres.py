"""The embedded PostgreSQL starts, keeps its data through crashes, and harms no other process."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from glmr_server.embedded import postgres
from glmr_server.embedded.child import ServiceFailed
from glmr_server.embedded.data_directory import DataDirectory
from glmr_server.embedded.postgres import EmbeddedPostgres
from tests.embedded.processes import eventually, listens_on_tcp, running


def write_row(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (place vector(2))")
        connection.execute("INSERT INTO kept VALUES ('[1,2]')")


def rows(url: str) -> list[tuple[str]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT place::text FROM kept").fetchall()


def test_data_survive_a_restart(empty_data_dir: Path) -> None:
    for start in range(2):
        with DataDirectory(empty_data_dir) as directory, EmbeddedPostgres(directory) as server:
            if start == 0:
                write_row(server.url)
            assert rows(server.url) == [("[1,2]",)]
            pid = server.pid
        assert pid is not None
        assert not running(pid)


def test_only_the_owner_can_reach_it(data_dir: Path) -> None:
    with DataDirectory(data_dir) as directory, EmbeddedPostgres(directory) as server:
        assert server.pid is not None
        assert not listens_on_tcp(server.pid)
        assert stat.S_IMODE(directory.sockets.stat().st_mode) == 0o700
        assert stat.S_IMODE(server.cluster.stat().st_mode) == 0o700


def test_killed_postmaster_starts_again_with_its_rows(data_dir: Path) -> None:
    with DataDirectory(data_dir) as directory, EmbeddedPostgres(directory) as server:
        write_row(server.url)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert eventually(lambda: not server.alive)
        server.start()
        assert rows(server.url) == [("[1,2]",)]


def test_stale_pid_file_harms_no_other_process(data_dir: Path) -> None:
    with DataDirectory(data_dir) as directory, EmbeddedPostgres(directory) as server:
        write_row(server.url)
        assert server.pid is not None
        pid_file = server.cluster / "postmaster.pid"
        left = pid_file.read_text()
        os.kill(server.pid, signal.SIGKILL)
        assert eventually(lambda: not server.alive)

        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
            # As after a reboot: the pid in the file belongs to another process.
            pid_file.write_text(left.replace(str(server.pid), str(innocent.pid), 1))
            (server.sockets / ".s.PGSQL.5432.lock").write_text(f"{innocent.pid}\n")
            server.start()
            assert rows(server.url) == [("[1,2]",)]
            server.stop()
            assert innocent.poll() is None


@pytest.mark.parametrize("name", ["n" * 120, "ein Ordner mit Umlaut ä", "100%'quoted\"?#&x"])
def test_any_path_works(data_dir: Path, name: str) -> None:
    named = data_dir.rename(data_dir.with_name(name))
    with DataDirectory(named) as directory, EmbeddedPostgres(directory) as server:
        write_row(server.url)
        assert rows(server.url) == [("[1,2]",)]
        assert len(os.fsencode(directory.sockets)) < 94
        assert stat.S_IMODE(directory.sockets.stat().st_mode) == 0o700


def test_interrupted_first_start_is_repaired(empty_data_dir: Path) -> None:
    unfinished = empty_data_dir / "postgres.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with DataDirectory(empty_data_dir) as directory, EmbeddedPostgres(directory) as server:
        write_row(server.url)


def test_files_of_another_version_are_refused_and_unchanged(empty_data_dir: Path) -> None:
    (empty_data_dir / "postgres").mkdir(parents=True)
    (empty_data_dir / "postgres" / "PG_VERSION").write_text("12\n")
    with DataDirectory(empty_data_dir) as directory, pytest.raises(ServiceFailed, match="version 12 created"):
        EmbeddedPostgres(directory).start()
    assert [file.name for file in (empty_data_dir / "postgres").iterdir()] == ["PG_VERSION"]


def test_missing_processor_features_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu sse4_2 fma bmi2\n")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    with pytest.raises(ServiceFailed, match=r"lacks avx2. Use your own PostgreSQL"):
        postgres._check_cpu(cpuinfo)


def test_failed_start_shows_the_log(data_dir: Path) -> None:
    with DataDirectory(data_dir) as directory:
        server = EmbeddedPostgres(directory, {"shared_buffers": "nonsense"})
        with pytest.raises(ServiceFailed, match="invalid value for parameter"):
            server.start()
        assert not server.alive
