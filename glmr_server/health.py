"""Health checks of the containers: `python -m glmr_server.health web|worker`; exit code 0 means healthy.

A worker is healthy while it writes heartbeats to the database. A running process alone proves nothing.
"""

from __future__ import annotations

import os
import socket
import sys
import urllib.error
import urllib.request

from glmr_server import environment as env


def web_problem() -> str:
    """Why the web server on this host does not answer; empty if it does."""
    host, _, port = env.text("GLMR_BIND", "127.0.0.1:8000").rpartition(":")
    host = "127.0.0.1" if host in ("", "0.0.0.0") else "[::1]" if host == "[::]" else host  # noqa: S104, read only
    # Under the name that is always allowed, whatever the address.
    request = urllib.request.Request(f"http://{host}:{port}/healthz", headers={"Host": "localhost"})
    try:
        with urllib.request.urlopen(request, timeout=8):  # noqa: S310, the address is our own
            return ""
    except (urllib.error.URLError, OSError) as problem:
        return f"the web server does not answer: {problem}"


def worker_problem() -> str:
    """Why no worker of this host counts as alive; empty if one does."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "glmr_server.settings")
    import django

    django.setup()
    from django.db import Error

    from annotation.jobs.models import WorkerHeartbeat, longest_silence

    own = WorkerHeartbeat.objects.alive().filter(name__startswith=f"{socket.gethostname()}:")
    try:
        if own.exists():
            return ""
    except Error as problem:
        return f"the database does not answer: {problem}"
    return f"no heartbeat of a worker on {socket.gethostname()} within {longest_silence().seconds} s"


PROBLEMS = {"web": web_problem, "worker": worker_problem}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in PROBLEMS:
        print(f"Usage: python -m glmr_server.health {'|'.join(PROBLEMS)}", file=sys.stderr)
        return 2
    problem = PROBLEMS[arguments[0]]()
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
