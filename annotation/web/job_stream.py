"""Server-sent events that say that a job changed. They carry no data: the page then asks for the progress.

A stream holds none of the threads that answer requests, and no database connection. One query a second for
each web process finds the changes of all jobs that somebody watches. PostgreSQL's NOTIFY would save that
query, but it takes a lock on the whole database at each commit of a worker, and poolers of connections do not
pass it on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime

from django.db import Error, close_old_connections, connection

from annotation.jobs.models import Job

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
# Also without a change, because heartbeats and estimates age, and so that proxies keep the connection.
TICK_S = 5.0
# The browser connects again, which checks once more what the person may see.
LONGEST_STREAM_S = 600.0
MAX_STREAMS_PER_USER = 6
MAX_STREAMS = 500  # of one web process
CHANGED = "data: changed\n\n"
# Ends the stream. Until the browser asks again, the page polls.
ASK_AGAIN_LATER = "retry: 600000\n\n"


class JobStreams:
    """The streams of one web process."""

    def __init__(self) -> None:
        self._watching: dict[int, set[asyncio.Event]] = {}
        self._n_of_user: Counter[int] = Counter()
        self._look: asyncio.Task[None] | None = None
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="job-streams")

    @property
    def n_open(self) -> int:
        return self._n_of_user.total()

    async def events(self, job_id: int, user_id: int) -> AsyncIterator[str]:
        """The text of the stream: an event at once, with each change of the job, and every TICK_S."""
        if self._n_of_user[user_id] >= MAX_STREAMS_PER_USER or self.n_open >= MAX_STREAMS:
            yield ASK_AGAIN_LATER
            return
        with self._watch(job_id, user_id) as changed:
            ends_at = time.monotonic() + LONGEST_STREAM_S
            while time.monotonic() < ends_at:
                changed.clear()
                yield CHANGED
                try:
                    await asyncio.wait_for(changed.wait(), TICK_S)
                except TimeoutError:
                    continue

    @contextmanager
    def _watch(self, job_id: int, user_id: int) -> Iterator[asyncio.Event]:
        changed = asyncio.Event()
        self._watching.setdefault(job_id, set()).add(changed)
        self._n_of_user[user_id] += 1
        if self._look is None or self._look.done():
            self._look = asyncio.get_running_loop().create_task(self._look_for_changes())
        try:
            yield changed
        finally:
            self._n_of_user[user_id] -= 1
            self._watching[job_id].discard(changed)
            if not self._watching[job_id]:
                del self._watching[job_id]

    async def _look_for_changes(self) -> None:
        """Ends when nobody watches any more."""
        loop, known = asyncio.get_running_loop(), dict[int, datetime]()
        while self._watching:
            try:
                current = await loop.run_in_executor(self._reader, _last_changes, list(self._watching))
            except Error as error:
                log.warning("The streams of jobs could not look for changes: %s", error)
                current = known
            for job_id in current.keys() & self._watching.keys():
                if current[job_id] != known.get(job_id, current[job_id]):
                    for changed in self._watching[job_id]:
                        changed.set()
            known = current
            await asyncio.sleep(LOOK_EVERY_S)
        await loop.run_in_executor(self._reader, _close_connection)


def _close_connection() -> None:
    connection.close()  # that of the reader's thread


def _last_changes(job_ids: Collection[int]) -> dict[int, datetime]:
    close_old_connections()
    return dict(Job.objects.filter(pk__in=job_ids).values_list("pk", "updated_at"))


streams = JobStreams()
