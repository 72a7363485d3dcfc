"""A job over RabbitMQ instead of Redis. The broker is only a doorbell, so nothing else changes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from annotation.models import ModelVersion
from tests.worker.processes import PATIENCE_S, assert_each_annotated_once, is_finished, wait_until
from tests.worker.test_worker_dies import submit

if TYPE_CHECKING:
    from tests.worker.conftest import Start

# Debian's command in sbin works only for root and the user rabbitmq, the command behind it for everyone.
_SERVER = shutil.which("rabbitmq-server", path=f"/usr/lib/rabbitmq/bin:{os.environ.get('PATH', '')}")

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(_SERVER is None, reason="no RabbitMQ here (Debian: rabbitmq-server)"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def rabbitmq() -> Iterator[str]:
    """A separate node with its data and ports, on the loopback address only."""
    assert _SERVER is not None
    port, distribution = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="glmr-mq-", ignore_cleanup_errors=True) as folder:
        environment = {
            **os.environ,
            "HOME": folder,
            "RABBITMQ_NODENAME": f"glmr-{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_CONFIG_FILE": f"{folder}/none",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "ERL_CRASH_DUMP": f"{folder}/crash",
        }
        with Path(folder, "output").open("wb") as output:
            node = subprocess.Popen(
                [_SERVER], env=environment, cwd=folder, stdout=output, stderr=output, start_new_session=True
            )
        try:
            wait_until(lambda: answers(port) or node.poll() is not None, "RabbitMQ")
            assert node.poll() is None, Path(folder, "output").read_text()[-2000:]
            yield f"amqp://guest:guest@127.0.0.1:{port}//"
        finally:
            os.killpg(node.pid, signal.SIGTERM)
            node.wait(timeout=PATIENCE_S)


def test_job_over_rabbitmq(start: Start, model_version: ModelVersion, rabbitmq: str) -> None:
    job = submit(model_version, 6)
    start("beat", GLMR_BROKER_URL=rabbitmq)
    start("worker", GLMR_BROKER_URL=rabbitmq)

    wait_until(lambda: is_finished(job), "the end of the job")
    assert_each_annotated_once(job)
