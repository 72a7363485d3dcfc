"""Runs the whole server on one machine under one supervisor. `make run` starts it.

It starts and stops all other processes. It stores nothing itself, so it may be killed at any time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType

from glmr_server import environment as env
from glmr_server.embedded.child import ServiceFailed
from glmr_server.embedded.data_directory import DataDirectory, DirectoryHeld, DirectoryUnusable
from glmr_server.supervision import ServerProcess, Service, Supervisor
from glmr_server.terminal import Terminal

_BASE_DIR = Path(__file__).resolve().parent.parent
LOGINS = "logins.json"
_FIRST_PORT = 8000
_PORTS_TRIED = 100
_WEB_START_S = 60.0
_GIVE_UP_AFTER_DEATHS = 4


class OneMachine:
    """The services of one data directory, started in order. `stop` stops whatever has been started."""

    def __init__(self, directory: DataDirectory, terminal: Terminal) -> None:
        self.directory = directory
        self.terminal = terminal
        self.supervisor = Supervisor(terminal.warn)
        self.logs = directory.path / "log"
        self._stop_first: list[Service] = []

    def start_stores(self) -> None:
        """PostgreSQL and Redis, each only if the settings name no other server."""
        if not env.text("GLMR_DATABASE_URL", ""):
            from glmr_server.embedded.postgres import EmbeddedPostgres

            postgres = EmbeddedPostgres(self.directory)
            with self.terminal.step("PostgreSQL with pgvector"):
                self.supervisor.start(postgres)
            os.environ["GLMR_DATABASE_URL"] = postgres.url
        if not env.text("GLMR_BROKER_URL", ""):
            from glmr_server.embedded.redis import EmbeddedRedis

            redis = EmbeddedRedis(self.directory)
            with self.terminal.step("Redis"):
                self.supervisor.start(redis)
            os.environ["GLMR_BROKER_URL"] = redis.url

    def start_processes(self, listener: socket.socket) -> ServerProcess:
        """The web server, one worker, the exporter, the sender and beat; returns the worker."""
        web = ServerProcess("Web server", "web", self.logs / "web.log", listener=listener)
        # The current mini-batch may take some seconds. Interrupted work returns when its lease expires.
        worker = ServerProcess("Worker", "worker", self.logs / "worker.log", patience_s=8.0)
        exporter = ServerProcess("Exporter", "exporter", self.logs / "exporter.log", patience_s=3.0)
        sender = ServerProcess("Sender", "sender", self.logs / "sender.log", patience_s=3.0)
        beat = ServerProcess("Beat", "beat", self.logs / "beat.log", patience_s=3.0)
        self._stop_first = [web, worker, exporter, sender, beat]
        with self.terminal.step(f"Web server on {_address(listener)}"):
            self.supervisor.start(web)
            self.supervisor.start(worker)
            self.supervisor.start(exporter)
            self.supervisor.start(sender)
            self.supervisor.start(beat)
            self._wait_for_web(_address(listener))
        return worker

    def _wait_for_web(self, address: str) -> None:
        deadline = time.monotonic() + _WEB_START_S
        while True:
            self.supervisor.check()
            try:
                with urllib.request.urlopen(f"{address}/healthz", timeout=5):  # noqa: S310, the address is our own
                    return
            except (urllib.error.URLError, OSError) as problem:
                if time.monotonic() > deadline:
                    raise ServiceFailed(
                        f"The web server does not answer ({problem}). See its log, {self.logs / 'web.log'}."
                    ) from None
            time.sleep(0.1)

    def stop(self) -> None:
        started = [service for service in self._stop_first if service.alive]
        self.supervisor.stop(started)


def prepare(data_dir: Path, terminal: Terminal) -> list[tuple[str, str, str]]:
    """Secret key, tables, static files, model version and accounts. Every step may be repeated safely."""
    keep_secret_key(data_dir)
    os.environ |= {"GLMR_STATIC_COLLECTED": "true", "DJANGO_SETTINGS_MODULE": "glmr_server.settings"}
    import django
    from django.core.management import call_command

    django.setup()
    from annotation.accounts.demonstration import make_logins

    with terminal.step("Tables"):
        call_command("migrate", interactive=False, verbosity=0)
    with terminal.step("Static files"):
        call_command("collectstatic", interactive=False, verbosity=0)
    _optional("register_checkpoint", "Model checkpoint", terminal)
    logins = make_logins(data_dir / LOGINS)
    return [(login.username, login.password, login.role) for login in logins]


def _optional(command: str, title: str, terminal: Terminal) -> None:
    """A step that may fail: the server is still useful without it."""
    from django.core.management import CommandError, call_command

    try:
        with terminal.step(title):
            call_command(command)
    except CommandError as problem:
        terminal.warn(str(problem))


def watch_demonstration(machine: OneMachine, worker: ServerProcess) -> None:
    """Return when the demonstration batch has ended, or cannot end because the worker keeps dying."""
    from django.db import OperationalError, close_old_connections

    title = "Demonstration batch annotated"
    with machine.terminal.step(title):
        while True:
            with contextlib.suppress(OperationalError):  # PostgreSQL is restarting
                done, total, ended = _demonstration_counts()
                if ended:
                    return
                machine.terminal.progress(title, done, total)
            close_old_connections()
            machine.supervisor.check()
            if machine.supervisor.deaths(worker) >= _GIVE_UP_AFTER_DEATHS:
                raise ServiceFailed(f"The worker ends again and again. Its log says why: {worker.log}")
            time.sleep(0.3)


def _demonstration_counts() -> tuple[int, int, bool]:
    """Finished items, all items, and whether the latest demonstration job has ended or does not exist."""
    from annotation.accounts.demonstration import JOB_EXTERNAL_ID, PROJECT_SLUG
    from annotation.jobs.models import Job, JobItem

    jobs = Job.objects.filter(project__slug=PROJECT_SLUG, external_id=JOB_EXTERNAL_ID)
    job = jobs.order_by("-created_at").first()
    if job is None:
        return 0, 0, True
    done = JobItem.objects.filter(job=job, finished_at__isnull=False).count()
    return done, JobItem.objects.filter(job=job).count(), job.finished_at is not None


def claim_port() -> socket.socket:
    """A listening socket on loopback: GLMR_PORT exactly, or the first free port from 8000 on."""
    wanted = env.whole_number("GLMR_PORT", 0)
    candidates = [wanted] if wanted else list(range(_FIRST_PORT, _FIRST_PORT + _PORTS_TRIED))
    for port in candidates:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(128)
        except OSError:
            listener.close()
            continue
        return listener
    raise ServiceFailed(
        f"Port {candidates[0]} of 127.0.0.1 is in use or not permitted. Choose another with GLMR_PORT, "
        "or unset GLMR_PORT to use a free port."
    )


def _address(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def keep_secret_key(data_dir: Path) -> None:
    """Create the key once. It is stored beside the data, readable only by its owner."""
    file = data_dir / "secret_key"
    if not file.exists():
        unfinished = file.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(secrets.token_urlsafe(50))
        unfinished.replace(file)


def run(directory: DataDirectory, terminal: Terminal, *, demonstration: bool) -> None:
    """Start everything, print the address, and watch the services until interrupted."""
    machine = OneMachine(directory, terminal)
    with claim_port() as listener:
        try:
            machine.start_stores()
            logins = prepare(directory.path, terminal)
            worker = machine.start_processes(listener)
            directory.announce(_address(listener))
            if demonstration:
                _optional("load_demonstration", "Demonstration library and batch", terminal)
            terminal.say(f"\nGLMR Server is up: {terminal.bold(_address(listener))}\nSign in as")
            for name, password, role in logins:
                terminal.say(f"  {name:<10} {password or '(password unchanged)':<14} ({role})")
            _say_what_becomes_of_passwords(directory.path, terminal, demonstration)
            terminal.say(f"Data and logs: {directory.path}. Stop with Ctrl-C.\n")
            if demonstration:
                _show_demonstration(machine, worker)
            while True:
                machine.supervisor.check()
                time.sleep(0.5)
        finally:
            with terminal.step("Stopping"):
                machine.stop()


def _say_what_becomes_of_passwords(data_dir: Path, terminal: Terminal, demonstration: bool) -> None:
    from annotation.accounts.demonstration import forget_passwords

    passwords = data_dir / LOGINS
    if demonstration:
        terminal.say(
            f"Demonstration: these passwords stay valid and are kept in {passwords}. For real work, run\n"
            "`make run ARGS=--no-demo`: it shows passwords once, to be changed at the first sign-in."
        )
    else:
        terminal.say("Passwords are not shown again. Each must be changed at the first sign-in.")
        forget_passwords(passwords)


def _show_demonstration(machine: OneMachine, worker: ServerProcess) -> None:
    from django.db import connections

    try:
        watch_demonstration(machine, worker)
    except ServiceFailed as problem:
        machine.terminal.warn(f"{problem} The pages work; the demonstration batch waits.")
    connections.close_all()


def _interrupt(number: int, frame: FrameType | None) -> None:
    """The first signal stops the server in order. The next one ends it and its children immediately."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(prog="glmr_server.up", description=__doc__)
    parser.add_argument("--no-demo", action="store_true", help="skip the demonstration library and batch")
    options = parser.parse_args()
    terminal = Terminal()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    data_dir = Path(env.text("GLMR_DATA_DIR", str(_BASE_DIR / "data"))).expanduser().resolve()
    os.environ["GLMR_DATA_DIR"] = str(data_dir)
    try:
        with DataDirectory(data_dir) as directory:
            run(directory, terminal, demonstration=not options.no_demo)
    except KeyboardInterrupt:
        return 0
    except (DirectoryHeld, DirectoryUnusable) as problem:
        terminal.fail(str(problem))
        return 2
    except (ServiceFailed, env.BadSetting) as problem:
        terminal.fail(str(problem))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
