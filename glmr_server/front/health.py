"""The health check of a web process, on its own thread: it answers when all threads for requests are busy."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from glmr_server.front.limits import now

_FRESH_S = 1.0  # an answer this old is given again, so that nobody can flood the database
_PATIENCE_S = 5.0


class HealthCheck:
    """Whether this process reaches its database. Requests at the same time share one query."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="health")
        self._running: asyncio.Future[str] | None = None
        self._problem = ""
        self._checked_at = float("-inf")

    async def problem(self) -> str:
        """Why the process is not healthy; empty if it is. Takes at most five seconds."""
        if now() - self._checked_at < _FRESH_S:
            return self._problem
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().run_in_executor(self._thread, _database_problem)
        done, _ = await asyncio.wait([self._running], timeout=_PATIENCE_S)
        if not done:
            return f"The database has not answered for {_PATIENCE_S:.0f} s."
        self._problem, self._checked_at = self._running.result(), now()
        return self._problem


def _database_problem() -> str:
    """One query on the connection of this thread, which is kept."""
    from django.db import Error, connection

    for _ in range(2):  # the kept connection may have ended with a restart of the database
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            return ""
        except Error as error:
            connection.close()
            problem = f"The database does not answer: {error}"
    return problem
