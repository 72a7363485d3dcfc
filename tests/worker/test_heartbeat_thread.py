"""What a worker reports with each heartbeat."""

from __future__ import annotations

import pytest

from annotation.jobs.heartbeat import Heartbeat
from worker import work
from worker.heartbeat_thread import HeartbeatThread
from worker.runtime import Runtime


def test_search_for_a_missing_index_keeps_the_reported_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.work.vector_index.build_missing", lambda: None)
    heartbeat = HeartbeatThread(Heartbeat(worker="bench", device="cpu", model_version_id=7))
    work.Work(Runtime(), heartbeat)._build_index()
    assert heartbeat.model_version_id == 7
