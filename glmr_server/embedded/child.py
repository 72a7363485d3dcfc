"""One supervised child process: started through `launch`, logged to a file, stopped with a deadline.

The kernel ends a child with the thread that started it, so start it from a thread that lives long enough.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

_LAUNCH = str(Path(__file__).with_name("launch.py"))
_LOG_KEPT_BYTES = 10 * 2**20


class ServiceFailed(Exception):
    """A service did not start or did not stay up. The message names the log and how to fix it."""


class Child:
    """A process in a separate session, so that Ctrl-C reaches only the supervisor."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        identity: str = "same",
        stop_signal: signal.Signals = signal.SIGTERM,
        pass_fds: Sequence[int] = (),
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self.stop_signal = stop_signal
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _LOG_KEPT_BYTES:
            log.replace(log.with_suffix(".old.log"))
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*_launcher(identity, stop_signal), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                pass_fds=pass_fds,
                cwd=folder,
            )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self, patience_s: float = 10.0) -> None:
        """Send the stop signal, wait, then kill the whole session. Returns when the process has ended."""
        if self.alive:
            self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def log_tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def failure(self, what: str, remedy: str) -> ServiceFailed:
        return ServiceFailed(
            f"{self.name}: {what}. {remedy} The end of its log, {self.log}:\n{self.log_tail()}"
        )


def run_once(command: Sequence[str], *, identity: str = "same") -> subprocess.CompletedProcess[str]:
    """Run a command under the given identity and wait for it."""
    return subprocess.run(
        [*_launcher(identity, signal.SIGTERM), *command], capture_output=True, text=True, check=False
    )


def _launcher(identity: str, death_signal: signal.Signals) -> list[str]:
    return [sys.executable, "-S", "-I", _LAUNCH, str(os.getpid()), str(int(death_signal)), identity]


@cache
def unprivileged_identity() -> str:
    """The identity for a service that refuses to run as root.

    For root a user namespace is best: it needs no account, and all files stay owned by root. Where
    namespaces are forbidden, as in a default container, a system account is used.
    """
    if os.geteuid() != 0:
        return "same"
    account = _system_account()
    namespace = f"namespace:{account.pw_uid}:{account.pw_gid}"
    if run_once(["/bin/true"], identity=namespace).returncode == 0:
        return namespace
    return f"user:{account.pw_uid}:{account.pw_gid}"


def _system_account() -> pwd.struct_passwd:
    for name in ("postgres", "daemon", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        if account.pw_uid != 0:
            return account
    raise ServiceFailed(
        "PostgreSQL does not run as root, and this machine has none of the accounts postgres, daemon "
        "and nobody. Run as an ordinary user."
    )


def running_in(executable_name: str, directory: Path) -> list[int]:
    """Process ids of the executable that work in the directory. Pid files are not trusted."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            executable, cwd = os.readlink(entry / "exe"), os.readlink(entry / "cwd")
        except OSError:  # it has ended, or belongs to another user
            continue
        if Path(executable.removesuffix(" (deleted)")).name == executable_name and cwd == str(directory):
            found.append(int(entry.name))
    return found
