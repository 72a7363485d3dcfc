"""Run one of the server's processes: `python -m glmr_server.serve web|worker|exporter|sender|beat`.

`make run` and the containers both start their processes here, so that they run the same commands.
"""

from __future__ import annotations

import os
import sys

from glmr_server import environment as env

_NO_KEY = (
    "No secret key is set, so every restart would sign everyone out. Set GLMR_SECRET_KEY to a long random "
    "text, the same for every web process, or store one in the file {file}."
)


def default_web_workers() -> int:
    """Two to four, so that a request that is busy computing does not delay all others."""
    return max(2, min(4, len(os.sched_getaffinity(0))))


def web_command() -> list[str]:
    """gunicorn with processes of glmr_server.front, each with an event loop and threads for Django."""
    return [
        *("-m", "gunicorn", "glmr_server.asgi:application"),
        *("--bind", env.text("GLMR_BIND", "127.0.0.1:8000")),
        *("--worker-class", "glmr_server.front.worker.FrontWorker"),
        *("--workers", str(env.whole_number("GLMR_WEB_WORKERS", default_web_workers(), minimum=1))),
        # Its event loop, which uploads and long requests do not hold.
        *("--timeout", str(env.whole_number("GLMR_WEB_TIMEOUT_S", 120, minimum=10))),
        *("--graceful-timeout", "5"),
        *("--access-logfile", "-" if env.flag("GLMR_ACCESS_LOG", False) else "/dev/null"),
        "--no-control-socket",
    ]


def worker_command() -> list[str]:
    """One process, one task at a time: a forked child cannot use the GPU."""
    from glmr_server.celery import WORK_QUEUE, WORKER_MODULES

    return [
        *("-m", "celery", "--app", "glmr_server", "worker"),
        *("--pool", "solo", "--queues", WORK_QUEUE, "--include", WORKER_MODULES),
        *("--without-gossip", "--without-mingle"),
        *("--hostname", env.text("GLMR_WORKER_NAME", "worker") + "@%h"),
        *("--loglevel", env.text("GLMR_LOG_LEVEL", "INFO")),
    ]


def exporter_command() -> list[str]:
    """Builds exports, one at a time. It needs no torch, so the image of the web server runs it."""
    from glmr_server.celery import EXPORT_MODULES, EXPORT_QUEUE

    return [
        *("-m", "celery", "--app", "glmr_server", "worker"),
        *("--pool", "solo", "--queues", EXPORT_QUEUE, "--include", EXPORT_MODULES),
        *("--without-gossip", "--without-mingle"),
        *("--hostname", "exporter@%h"),
        *("--loglevel", env.text("GLMR_LOG_LEVEL", "INFO")),
    ]


def sender_command() -> list[str]:
    """Sends webhooks, several at a time in threads. It needs no torch."""
    from glmr_server.celery import WEBHOOK_MODULES, WEBHOOK_QUEUE

    return [
        *("-m", "celery", "--app", "glmr_server", "worker"),
        *("--pool", "solo", "--queues", WEBHOOK_QUEUE, "--include", WEBHOOK_MODULES),
        *("--without-gossip", "--without-mingle"),
        *("--hostname", "sender@%h"),
        *("--loglevel", env.text("GLMR_LOG_LEVEL", "INFO")),
    ]


def beat_command() -> list[str]:
    """The schedule is three intervals, so beat keeps nothing on disk that a crash could damage."""
    return [
        *("-m", "celery", "--app", "glmr_server", "beat"),
        *("--scheduler", "celery.beat:Scheduler", "--pidfile", ""),
        *("--loglevel", env.text("GLMR_LOG_LEVEL", "INFO")),
    ]


COMMANDS = {
    "web": web_command,
    "worker": worker_command,
    "exporter": exporter_command,
    "sender": sender_command,
    "beat": beat_command,
}


def _check_secret_key() -> None:
    from django.conf import settings

    if not env.text("GLMR_SECRET_KEY", "") and not settings.SECRET_KEY_FILE.is_file():
        sys.exit(_NO_KEY.format(file=settings.SECRET_KEY_FILE))


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        sys.exit(f"Usage: python -m glmr_server.serve {'|'.join(COMMANDS)}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "glmr_server.settings")
    try:
        if arguments[0] == "web":
            _check_secret_key()
        command = COMMANDS[arguments[0]]()
    except env.BadSetting as problem:
        sys.exit(f"Error: {problem}")
    os.execv(sys.executable, [sys.executable, *command])  # noqa: S606, no shell is needed


if __name__ == "__main__":
    main(sys.argv[1:])
