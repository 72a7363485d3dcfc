"""The broker dies and comes back empty: the ledger still holds the work."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from annotation.models import ModelVersion
from glmr_server.embedded.redis import EmbeddedRedis
from tests.worker.processes import assert_each_annotated_once, is_finished, n_done, wait_until
from tests.worker.test_worker_dies import submit

if TYPE_CHECKING:
    from tests.worker.conftest import Start

pytestmark = pytest.mark.timeout(900)  # starts torch several times, possibly on a busy machine


@pytest.mark.skipif("GLMR_TEST_BROKER_URL" in os.environ, reason="kills the broker, so it needs its own")
def test_redis_killed_and_started_again_empty(
    start: Start, model_version: ModelVersion, embedded_redis: EmbeddedRedis
) -> None:
    job = submit(model_version, 40)
    start("beat")
    start("worker")
    wait_until(lambda: n_done(job) > 0, "the first results")

    assert embedded_redis.pid is not None
    os.kill(embedded_redis.pid, signal.SIGKILL)
    wait_until(lambda: not embedded_redis.alive, "Redis to be gone")
    unheard = submit(model_version, 4)  # no worker receives this ring
    shutil.rmtree(embedded_redis.folder)
    embedded_redis.start()

    wait_until(lambda: is_finished(job) and is_finished(unheard), "the end of both jobs")
    assert_each_annotated_once(job)
    assert_each_annotated_once(unheard)
