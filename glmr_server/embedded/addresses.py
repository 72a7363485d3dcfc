"""Addresses of the embedded services of a data directory, computed from its path alone.

So `manage.py` finds the services of a running `make run` without any configuration.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.parse import quote

DATABASE_NAME = "glmr"
DATABASE_USER = "glmr"
POSTGRES_PORT = 5432  # only part of the name of the socket file; no TCP port is opened

# sun_path holds 107 bytes and a final zero. The longest name in the directory is PostgreSQL's socket.
_LONGEST_SOCKET = 107 - len("/.s.PGSQL.5432")


def socket_directory(data_dir: Path) -> Path:
    """`run` inside the data directory, or a short name under /tmp if that path is too long."""
    inside = data_dir.resolve() / "run"
    if len(os.fsencode(inside)) <= _LONGEST_SOCKET:
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]
    return Path("/tmp") / f"glmr-{os.getuid()}-{digest}"


def redis_socket(data_dir: Path) -> Path:
    return socket_directory(data_dir) / "redis.sock"


def database_url(data_dir: Path, database: str = DATABASE_NAME) -> str:
    host = quote(str(socket_directory(data_dir)), safe="")
    return f"postgresql://{DATABASE_USER}@/{database}?host={host}&port={POSTGRES_PORT}"


def broker_url(data_dir: Path) -> str:
    return f"redis+socket://{quote(str(redis_socket(data_dir)))}?virtual_host=0"
