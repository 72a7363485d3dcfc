"""What a worker says of itself with each beat."""

from __future__ import annotations

import pytest

from annotation.jobs.heartbeat import SignOfLife
from worker import work
from worker.heartbeat_thread import HeartbeatThread
from worker.runtime import Runtime


def test_a_look_for_a_missing_index_does_not_say_that_the_model_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.work.vector_index.build_missing", lambda: None)
    pulse = HeartbeatThread(SignOfLife(worker="bench", device="cpu", model_version_id=7))
    work.Work(Runtime(), pulse)._index_one()
    assert pulse.model_version_id == 7
