"""The embedded Redis is reachable only by its owner, survives a crash, and never prevents a start."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import redis

from glmr_server.embedded.data_directory import DataDirectory
from glmr_server.embedded.redis import EmbeddedRedis
from tests.embedded.processes import eventually, listens_on_tcp


def client(server: EmbeddedRedis) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(server.socket), decode_responses=True)


def test_killed_server_starts_again_with_its_keys(empty_data_dir: Path) -> None:
    with DataDirectory(empty_data_dir) as directory, EmbeddedRedis(directory) as server:
        with client(server) as connection:
            connection.set("bell", "rung")
            connection.execute_command("CONFIG", "SET", "appendfsync", "always")
            connection.set("bell", "rung twice")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert eventually(lambda: not server.alive)
        server.start()
        with client(server) as connection:
            assert connection.get("bell") == "rung twice"


def test_only_the_owner_can_reach_it(empty_data_dir: Path) -> None:
    with DataDirectory(empty_data_dir) as directory, EmbeddedRedis(directory) as server:
        assert server.pid is not None
        assert not listens_on_tcp(server.pid)
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700


def test_unreadable_log_is_moved_aside(empty_data_dir: Path) -> None:
    (empty_data_dir / "redis").mkdir(parents=True)
    (empty_data_dir / "redis" / "appendonly.aof").write_bytes(b"*9\r\nnothing that Redis wrote\r\n" * 50)
    with (
        DataDirectory(empty_data_dir) as directory,
        EmbeddedRedis(directory) as server,
        client(server) as connection,
    ):
        assert connection.ping()
    assert len(list(empty_data_dir.glob("redis.unreadable-*"))) == 1
