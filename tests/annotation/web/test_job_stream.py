"""Server-sent events of a job: they hold no thread, end with the client, and are limited for each person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application
from django.db import connection, connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.models import Job
from annotation.web import job_stream
from annotation.web.job_stream import ASK_AGAIN_LATER, CHANGED, JobStreams
from tests.annotation.builders import make_job
from tests.annotation.web.world import make_world


def n_connections() -> int:
    """Connections to the test's database, with one for this question."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            return int(cursor.fetchone()[0])
    finally:
        connection.close()


def run_apart(work: Coroutine[None, None, None]) -> None:
    """In another thread, because the browser of other tests keeps an event loop in the main one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


async def first(stream: AsyncIterator[str], within_s: float = 5.0) -> str:
    return await asyncio.wait_for(anext(stream), within_s)


@pytest.mark.django_db(transaction=True)
def test_a_change_of_the_job_reaches_every_stream_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_stream, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(job_stream, "TICK_S", 60.0)
    job, other = make_job(n_spectra=1), make_job(n_spectra=1)

    async def watch() -> None:
        streams = JobStreams()
        of_job = [streams.events(job.pk, user_id) for user_id in (1, 2)]
        of_other = streams.events(other.pk, 1)
        for stream in (*of_job, of_other):
            assert await first(stream) == CHANGED
        waiting = [asyncio.ensure_future(anext(stream)) for stream in (*of_job, of_other)]
        await asyncio.sleep(0.3)
        assert not any(task.done() for task in waiting)

        await sync_to_async(Job.objects.filter(pk=job.pk).update)(updated_at=timezone.now())

        assert await asyncio.wait_for(asyncio.gather(*waiting[:2]), 5) == [CHANGED] * 2
        assert not waiting[2].done()
        waiting[2].cancel()
        await asyncio.gather(waiting[2], return_exceptions=True)
        for stream in (*of_job, of_other):
            await stream.aclose()  # type: ignore[attr-defined]
        assert streams.n_open == 0
        await asyncio.wait_for(streams._look or asyncio.sleep(0), 5)
        await sync_to_async(connections.close_all)()

    run_apart(watch())


def test_a_person_holds_few_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_stream, "_last_changes", lambda _: {})

    async def watch() -> None:
        streams = JobStreams()
        held = [streams.events(1, 7) for _ in range(job_stream.MAX_STREAMS_PER_USER)]
        assert [await first(stream) for stream in held] == [CHANGED] * len(held)
        assert await first(streams.events(1, 7)) == ASK_AGAIN_LATER
        assert await first(streams.events(1, 8)) == CHANGED

        await held[0].aclose()  # type: ignore[attr-defined]
        assert await first(streams.events(1, 7)) == CHANGED

    run_apart(watch())


@pytest.mark.django_db(transaction=True)
def test_over_asgi_the_stream_ends_when_the_client_leaves() -> None:
    world = make_world()
    client = world.client("viewer")
    path = reverse("job-events", args=[world.job.public_id])
    cookie = f"sessionid={client.cookies['sessionid'].value}".encode()
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"cookie", cookie)],
    }

    async def watch() -> None:
        before = await sync_to_async(n_connections)()
        communicator = ApplicationCommunicator(get_asgi_application(), scope)
        await communicator.send_input({"type": "http.request", "body": b""})
        start = await communicator.receive_output(10)
        assert start["status"] == 200
        assert dict(start["headers"])[b"Content-Type"] == b"text/event-stream"
        event = await communicator.receive_output(10)
        assert (event["body"].decode(), event["more_body"]) == (CHANGED, True)
        assert job_stream.streams.n_open == 1
        # One more, of the reader of all streams: the stream itself holds none.
        assert await sync_to_async(n_connections)() <= before + 1
        await communicator.send_input({"type": "http.disconnect"})
        await communicator.wait(10)
        assert job_stream.streams.n_open == 0
        await asyncio.wait_for(job_stream.streams._look or asyncio.sleep(0), 5)

    run_apart(watch())


@pytest.mark.django_db
def test_over_wsgi_the_page_polls() -> None:
    world = make_world()
    path = reverse("job-events", args=[world.job.public_id])
    assert b"".join(world.client("viewer").get(path)).decode() == ASK_AGAIN_LATER
    assert world.client("stranger").get(path).status_code == 404
    assert Client().get(path).status_code == 302
