"""The test database is the embedded one, has pgvector, and child processes can reach it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.contrib.auth.models import User
from django.db import connection


@pytest.mark.django_db
def test_pgvector_is_installed() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        cursor.execute("SELECT '[3,4]'::vector <-> '[0,0]'::vector")
        assert cursor.fetchone() == (5.0,)


def test_a_child_process_sees_the_committed_rows(process_environment: dict[str, str]) -> None:
    User.objects.create(username="ada")
    script = (
        "import django; django.setup(); from django.contrib.auth.models import User; "
        "from glmr_server.celery import ring; print(User.objects.get().username, ring())"
    )
    seen = subprocess.run(
        [sys.executable, "-c", script], env=process_environment, capture_output=True, text=True, check=True
    )
    assert seen.stdout.split() == ["ada", "True"]
