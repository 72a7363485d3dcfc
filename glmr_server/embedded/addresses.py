"""Where the embedded services of one data directory are found: a pure function of that directory.

Because nothing is written down, `manage.py` reaches the services of a running `make run` without being told.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.parse import quote

DATABASE_NAME = "glmr"
DATABASE_USER = "glmr"
POSTGRES_PORT = 5432  # names the socket file only; no TCP port is opened

# sun_path holds 107 bytes and a final zero; the longest name below is PostgreSQL's socket.
_LONGEST_SOCKET = 107 - len("/.s.PGSQL.5432")


def socket_directory(data_dir: Path) -> Path:
    """`run` inside the data directory, or a short name under /tmp where that path is too long."""
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
