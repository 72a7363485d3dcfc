"""Holds a data directory in a separate process, for tests that kill it: `holder.py DIRECTORY`.

Prints one JSON line with the process ids, then waits.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Holder:
    process: subprocess.Popen[str]
    postgres: int
    redis: int
    url: str
    uid: int


@contextmanager
def holding(data_dir: Path, prefix: Sequence[str] = ()) -> Iterator[Holder]:
    """A process that runs both services in the directory. `prefix` is put before its command."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "tests.embedded.holder", str(data_dir)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the holder ended before it was ready; its error is printed above"
        yield Holder(process, **json.loads(line))
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def main() -> None:
    from glmr_server.embedded.data_directory import DataDirectory
    from glmr_server.embedded.postgres import EmbeddedPostgres
    from glmr_server.embedded.redis import EmbeddedRedis

    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    with (
        DataDirectory(Path(sys.argv[1])) as directory,
        EmbeddedPostgres(directory) as postgres,
        EmbeddedRedis(directory) as redis,
    ):
        report = {"postgres": postgres.pid, "redis": redis.pid, "url": postgres.url, "uid": os.geteuid()}
        print(json.dumps(report), flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
