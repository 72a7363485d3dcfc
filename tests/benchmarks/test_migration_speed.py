"""How long the migrations to outcomes and features take on 1,000,000 job items. `make bench` prints it.

The database is that of release 0.1, with its spectrum and its job item copied. It runs with the settings of
the embedded server, so writes are as safe and as slow as in use.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from tests.upgrade.test_from_0_1 import manage, old_database

if TYPE_CHECKING:
    from glmr_server.embedded.data_directory import DataDirectory

__all__ = ["old_database"]

pytestmark = pytest.mark.timeout(3600)

N_JOBS = 10
N_ITEMS_PER_JOB = 100_000
BEFORE, MEASURED = "0010", ("0011", "0012")
MAX_S = 300


@pytest.fixture(scope="module")
def postgres_server(data_directory: DataDirectory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Without the unsafe settings of the other tests."""
    from glmr_server.embedded.postgres import EmbeddedPostgres

    with EmbeddedPostgres(data_directory) as server:
        yield server.url


def copy_rows(connection: psycopg.Connection, table: str, n: int, **changes: str) -> None:
    """Copy the first row of a table n times. `changes`: SQL for columns, in which `n` counts from 0."""
    columns = [
        name
        for (name,) in connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s",
            [table],
        )
    ]
    values = [
        sql.SQL(changes[name]) if name in changes else sql.Identifier("first", name) for name in columns
    ]
    statement = sql.SQL(
        "INSERT INTO {table} ({columns}) SELECT {values} "
        "FROM (SELECT * FROM {table} ORDER BY id LIMIT 1) AS first, generate_series(0, {last}) AS n"
    ).format(
        table=sql.Identifier(table),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(values),
        last=sql.Literal(n - 1),
    )
    connection.execute(statement)


def fill(address: str) -> None:
    """Jobs of one upload each: nine items in ten are annotated, the others failed for want of a candidate."""
    n_items = N_JOBS * N_ITEMS_PER_JOB
    with psycopg.connect(address) as connection:
        copy_rows(connection, "annotation_upload", N_JOBS, id="1000 + n", sha256="md5(n::text)")
        copy_rows(connection, "annotation_job", N_JOBS, id="1000 + n", public_id="gen_random_uuid()")
        copy_rows(
            connection,
            "annotation_spectrum",
            n_items,
            id="1000 + n",
            upload_id=f"1000 + n / {N_ITEMS_PER_JOB}",
            source_index=f"n % {N_ITEMS_PER_JOB}",
        )
        copy_rows(
            connection,
            "annotation_jobitem",
            n_items,
            id="1000 + n",
            job_id=f"1000 + n / {N_ITEMS_PER_JOB}",
            spectrum_id="1000 + n",
            position=f"n % {N_ITEMS_PER_JOB}",
            state="CASE WHEN n % 10 = 0 THEN 'failed' ELSE 'done' END",
            error_code="CASE WHEN n % 10 = 0 THEN 'no_candidates' ELSE '' END",
        )
        copy_rows(
            connection,
            "annotation_annotation",
            n_items,
            id="1000 + n",
            public_id="gen_random_uuid()",
            job_id=f"1000 + n / {N_ITEMS_PER_JOB}",
            item_id="1000 + n",
            spectrum_id="1000 + n",
        )
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def test_migrations_of_a_million_items(
    old_database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manage(old_database, "migrate", "annotation", BEFORE, "--verbosity", "0")
    fill(old_database)
    seconds = {}
    for name in MEASURED:
        started = time.perf_counter()
        manage(old_database, "migrate", "annotation", name, "--verbosity", "0")
        seconds[name] = time.perf_counter() - started
    n_items = N_JOBS * N_ITEMS_PER_JOB
    with capsys.disabled():
        times = ", ".join(f"{name} {taken:.0f} s" for name, taken in seconds.items())
        print(f"\n{n_items:,} job items: {times}")
    with psycopg.connect(old_database) as connection:
        (n_features,) = connection.execute("SELECT count(*) FROM annotation_feature").fetchone() or (0,)
        (n_no_match,) = connection.execute(
            "SELECT count(*) FROM annotation_jobitem WHERE state = 'no_match'"
        ).fetchone() or (0,)
    assert n_features >= n_items
    assert n_no_match == n_items / 10
    assert all(taken < MAX_S for taken in seconds.values())
