"""The ASGI application: health checks, limits on bodies, threads for Django, and event streams.

A request is read to its end before it takes a thread. Async views that a browser opens as an event stream
(`Accept: text/event-stream`) run in the event loop and never take a thread of the pool.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from glmr_server.front import wsgi_bridge
from glmr_server.front.health import HealthCheck
from glmr_server.front.limits import Limits
from glmr_server.front.request_body import (
    BodyLate,
    BodyTooLarge,
    ClientGone,
    Receive,
    RequestBody,
    SpoolAccount,
    SpoolFull,
)
from glmr_server.front.response_spool import ResponseAbandoned, ResponseSpool

log = logging.getLogger(__name__)

Scope = dict[str, Any]
Send = Callable[[Any], Awaitable[None]]
ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH_PATH = "/healthz"
# After an answer that comes before the whole body, the rest is read for so long, so that the client sees it.
_LINGER_S = 5.0


class Busy(Exception):
    """No thread became free in time, or too many requests wait for one."""


class Front:
    """One per web process. Used by the event loop only, apart from its threads."""

    def __init__(
        self,
        wsgi: wsgi_bridge.WSGIApplication,
        streams: ASGIApplication,
        *,
        limits: Limits,
        largest_body: Callable[[str], int],
        is_stream: Callable[[str], bool],
    ) -> None:
        """`largest_body` gives the bytes allowed for a Content-Type; `is_stream` finds async views."""
        self._wsgi = wsgi
        self._streams = streams
        self._limits = limits
        self._largest_body = largest_body
        self._is_stream = is_stream
        self._health = HealthCheck()
        self._account = SpoolAccount(limits.spool_bytes)
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="request")
        self._disk = ThreadPoolExecutor(2, thread_name_prefix="body")
        self._free = asyncio.Semaphore(limits.threads)
        self._n_waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = (await receive())["type"]
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                self._threads.shutdown(wait=False, cancel_futures=True)
                return

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if scope["path"] == HEALTH_PATH:
            await self._answer_health(send)
        elif b"text/event-stream" in headers.get(b"accept", b"") and self._is_stream(scope["path"]):
            await self._streams(scope, receive, send)
        else:
            await self._answer_from_thread(scope, headers, receive, send)

    async def _answer_health(self, send: Send) -> None:
        problem = await self._health.problem()
        status, text = (503, problem) if problem else (200, "ok")
        await send_whole(send, status, f"{text}\n", b"text/plain; charset=utf-8")

    async def _answer_from_thread(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        address = client_address(scope, headers, self._limits)
        body = RequestBody(address, self._account, self._disk)
        refuse = partial(send_problem, scope, send)
        try:
            n_bytes, unread = await self._read_body(body, headers, receive)
            environ = wsgi_bridge.environ_of(scope, address, body.stream(), n_bytes)
            await self._take_thread(None if unread else receive)
            # A client that waits for "100 Continue" sends no body after a refusal.
            rest = receive if unread and b"expect" not in headers else None
            await self._run(environ, send, None if unread else receive, rest)
        except ClientGone:
            return
        except BodyLate:
            await refuse(408, "The body of the request did not arrive in time. Send it again.")
        except SpoolFull:
            await refuse(503, "The server is receiving too many large files. Try again later.", rest=receive)
        except Busy:
            await refuse(503, "The server is busy. Nothing was stored. Try again in a moment.")
        finally:
            body.close()

    async def _read_body(
        self, body: RequestBody, headers: dict[bytes, bytes], receive: Receive
    ) -> tuple[int, bool]:
        """Size of the body, and whether it was left unread because it is too large.

        Django refuses such a request by its size, with the text that fits its address.
        """
        largest = self._largest_body(headers.get(b"content-type", b"").decode("latin-1"))
        announced = headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > largest:
            return int(announced), True
        try:
            await body.read(receive, largest, self._limits)
        except BodyTooLarge as error:
            body.close()
            return error.n_bytes, True
        return body.n_bytes, False

    async def _take_thread(self, receive: Receive | None) -> None:
        """Wait for a thread. Raises Busy, or ClientGone if the client leaves while it waits."""
        if not self._free.locked():
            await self._free.acquire()
            return
        if self._n_waiting >= self._limits.queue_length:
            raise Busy
        self._n_waiting += 1
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(self._free.acquire())]
        if receive is not None:
            waits.append(asyncio.create_task(_disconnected(receive)))
        try:
            await asyncio.wait(waits, timeout=self._limits.queue_s, return_when=asyncio.FIRST_COMPLETED)
            if not waits[0].done():
                raise ClientGone if len(waits) > 1 and waits[1].done() else Busy
        finally:
            self._n_waiting -= 1
            for task in waits:
                task.cancel()

    async def _run(
        self, environ: wsgi_bridge.Environ, send: Send, connected: Receive | None, rest: Receive | None
    ) -> None:
        """Make the response in a thread and send it. The thread is free again as soon as it has ended.

        `connected` tells when the client leaves. `rest` delivers the part of the body that nobody wants.
        """
        loop = asyncio.get_running_loop()
        spool, head = ResponseSpool(loop), wsgi_bridge.Head()
        work = loop.run_in_executor(self._threads, wsgi_bridge.run, self._wsgi, environ, head, spool)
        work.add_done_callback(lambda _: self._free.release())
        watcher = None if connected is None else asyncio.create_task(_abandon(spool, connected))
        try:
            await _send_response(spool, head, send, rest)
        except ResponseAbandoned:
            pass
        finally:
            spool.abandon()
            if watcher is not None:
                watcher.cancel()
            try:
                await asyncio.shield(work)
            except ResponseAbandoned:
                log.info("The client left before the response to %s was complete.", environ["PATH_INFO"])
            finally:
                spool.close()


async def _send_response(
    spool: ResponseSpool, head: wsgi_bridge.Head, send: Send, rest: Receive | None
) -> None:
    data, last = await spool.read()
    close = [] if rest is None else [(b"connection", b"close")]
    await send({"type": "http.response.start", "status": head.status, "headers": head.headers + close})
    while True:
        if last and rest is not None:
            await send({"type": "http.response.body", "body": data, "more_body": True})
            await _linger(rest)
            data = b""
        await send({"type": "http.response.body", "body": data, "more_body": not last})
        if last:
            return
        data, last = await spool.read()


async def _abandon(spool: ResponseSpool, receive: Receive) -> None:
    await _disconnected(receive)
    spool.abandon()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _linger(receive: Receive) -> None:
    """Discard what the client still sends. If it were closed at once, the client would not see the answer."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while (await receive()).get("more_body", False):
                pass


async def send_problem(
    scope: Scope, send: Send, status: int, detail: str, *, rest: Receive | None = None
) -> None:
    """A refusal by the front itself: problem details under /api/, otherwise plain text."""
    title, media_type, text = wsgi_bridge.phrase(status), b"text/plain; charset=utf-8", f"{detail}\n"
    if scope["path"].startswith("/api/"):
        problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        media_type, text = b"application/problem+json", json.dumps(problem | {"instance": scope["path"]})
    headers = [(b"connection", b"close")] + ([(b"retry-after", b"5")] if status == 503 else [])
    await send_whole(send, status, text, media_type, headers, rest)


async def send_whole(
    send: Send,
    status: int,
    text: str,
    media_type: bytes,
    headers: Sequence[tuple[bytes, bytes]] = (),
    rest: Receive | None = None,
) -> None:
    body = text.encode()
    always = [(b"content-type", media_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*always, *headers]})
    if rest is not None:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await _linger(rest)
        body = b""
    await send({"type": "http.response.body", "body": body, "more_body": False})


def client_address(scope: Scope, headers: dict[bytes, bytes], limits: Limits) -> str:
    """The peer, or behind a trusted proxy the last address in X-Forwarded-For that is no trusted proxy."""
    address = scope["client"][0] if scope.get("client") else ""
    forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
    while limits.is_proxy(address) and forwarded:
        address = forwarded.pop().strip() or address
    return str(address)
