"""PostgreSQL refuses to run as root. Solutions: a user namespace, a system account, an ordinary user."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from pathlib import Path

import psycopg
import pytest

from glmr_server.embedded import postgres
from glmr_server.embedded.child import run_once, unprivileged_identity
from glmr_server.embedded.data_directory import DataDirectory
from glmr_server.embedded.postgres import EmbeddedPostgres
from tests.embedded.holder import holding

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
NO_CANDIDATE = pwd.getpwnam("nobody")
NAMESPACE = f"namespace:{NO_CANDIDATE.pw_uid}:{NO_CANDIDATE.pw_gid}"
ACCOUNT = f"user:{NO_CANDIDATE.pw_uid}:{NO_CANDIDATE.pw_gid}"


@pytest.fixture
def closed_folder(data_dir: Path) -> Path:
    """A folder that other users cannot enter, like /root."""
    data_dir.chmod(0o700)
    return data_dir


@as_root
@pytest.mark.parametrize("identities", [(NAMESPACE,), (ACCOUNT,), (NAMESPACE, ACCOUNT, NAMESPACE)])
def test_root_runs_it_as_another_user(
    closed_folder: Path, identities: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if NAMESPACE in identities and run_once(["/bin/true"], identity=NAMESPACE).returncode != 0:
        pytest.skip("this machine forbids user namespaces")
    for number, identity in enumerate(identities):
        monkeypatch.setattr(postgres, "unprivileged_identity", lambda identity=identity: identity)
        with DataDirectory(closed_folder) as directory, EmbeddedPostgres(directory) as server:
            with psycopg.connect(server.url) as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS kept (start int)")
                connection.execute("INSERT INTO kept VALUES (%s)", [number])
                count = connection.execute("SELECT count(*) FROM kept").fetchone()
            assert count == (number + 1,)
    assert closed_folder.stat().st_mode & 0o777 == 0o700
    assert closed_folder.stat().st_uid == 0


@as_root
def test_system_account_can_enter_closed_folders(closed_folder: Path) -> None:
    """PostgreSQL finds its programs with access(2), which checks rights differently from open(2)."""
    (closed_folder / "file").write_text("")
    code = f"import os; assert os.geteuid() and os.access({str(closed_folder / 'file')!r}, os.R_OK)"
    done = run_once([sys.executable, "-c", code], identity=ACCOUNT)
    assert done.returncode == 0, done.stderr


@as_root
def test_ordinary_user_runs_it_with_the_same_identity(empty_data_dir: Path) -> None:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("needs setpriv (package util-linux) to become an ordinary user")
    empty_data_dir.parent.chmod(0o777)
    # Only the right to read is kept, because this Python may be installed below /root.
    become = [
        setpriv,
        f"--reuid={NO_CANDIDATE.pw_uid}",
        f"--regid={NO_CANDIDATE.pw_gid}",
        "--clear-groups",
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=+dac_override",
    ]
    with holding(empty_data_dir, become) as holder:
        assert holder.uid == NO_CANDIDATE.pw_uid
        with psycopg.connect(holder.url) as connection:
            connection.execute("CREATE TABLE kept ()")
        assert Path(f"/proc/{holder.postgres}").stat().st_uid == NO_CANDIDATE.pw_uid
        assert (empty_data_dir / "postgres").stat().st_uid == NO_CANDIDATE.pw_uid


def test_ordinary_user_needs_no_other_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    unprivileged_identity.cache_clear()
    try:
        assert unprivileged_identity() == "same"
    finally:
        unprivileged_identity.cache_clear()
