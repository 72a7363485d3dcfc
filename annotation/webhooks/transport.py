"""Sends one signed request: to checked addresses only, within a time, without following redirects."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import certifi
import httpcore
from django.conf import settings
from standardwebhooks import Webhook as Signer

from annotation.plain_text import clean
from annotation.webhooks.targets import (
    ForbiddenTarget,
    Resolve,
    Target,
    checked_addresses,
    read_target,
    resolve,
)
from glmr_server import __version__

ANSWER_BYTES = 1024  # what is kept of an answer; no more is read
GONE = 410


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. All tries send the same body under the same id."""

    id: str
    body: str
    url: str
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Without a status the request got no answer, for the reason `error`."""

    status: int | None
    error: str = ""
    answer: str = ""
    retry_after_s: int | None = None
    duration_ms: int = 0

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def send(message: Message, at: datetime, resolve_host: Resolve = resolve) -> Reply:
    """Send the message now. Never raises for what the receiver does or what its name leads to."""
    started = time.monotonic()
    try:
        target = read_target(message.url)
        reply = _exchange(target, message, at, resolve_host)
    except ForbiddenTarget as refusal:
        reply = Reply(None, str(refusal))
    except httpcore.TimeoutException:
        reply = Reply(None, f"No complete answer within {settings.GLMR_WEBHOOK_TIMEOUT_S} s.")
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        reply = Reply(None, _words(error))
    duration = round((time.monotonic() - started) * 1000)
    return Reply(reply.status, reply.error, reply.answer, reply.retry_after_s, duration)


def headers_of(message: Message, at: datetime) -> list[tuple[str, str]]:
    """The headers of the Standard Webhooks. Each active secret gives one signature."""
    signatures = [Signer(secret).sign(message.id, at, message.body) for secret in message.secrets]
    return [
        ("webhook-id", message.id),
        ("webhook-timestamp", str(int(at.timestamp()))),
        ("webhook-signature", " ".join(signatures)),
    ]


def _exchange(target: Target, message: Message, at: datetime, resolve_host: Resolve) -> Reply:
    headers = [
        ("Host", target.host_header),
        ("User-Agent", f"GLMR-Server/{__version__}"),
        ("Content-Type", "application/json"),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
        *headers_of(message, at),
    ]
    url = httpcore.URL(
        scheme=target.scheme.encode(),
        host=target.host.encode(),
        port=target.port,
        target=target.path.encode(),
    )
    backend = _CheckedBackend(target, resolve_host, time.monotonic() + settings.GLMR_WEBHOOK_TIMEOUT_S)
    with (
        httpcore.ConnectionPool(
            ssl_context=_ssl_context(), max_connections=1, retries=0, http2=False, network_backend=backend
        ) as pool,
        pool.stream("POST", url, headers=headers, content=message.body.encode()) as response,
    ):
        content = b""
        # The status is the answer. A body that breaks off or never ends changes nothing about it.
        with suppress(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
            for chunk in response.iter_stream():
                content += chunk
                if len(content) >= ANSWER_BYTES:
                    break
        return _reply(response.status, dict(response.headers), content[:ANSWER_BYTES])


def _reply(status: int, headers: dict[bytes, bytes], content: bytes) -> Reply:
    answer = clean(content.decode("utf-8", "replace"))
    if 200 <= status < 300:
        return Reply(status, "", answer)
    if 300 <= status < 400:
        error = f"The receiver answered {status}, a redirect, which is not followed. Enter its final address."
    elif status == GONE:
        error = "The receiver answered 410: it wants no more messages."
    else:
        error = f"The receiver answered {status}. A status from 200 to 299 confirms a message."
    lower = {name.lower(): value for name, value in headers.items()}
    wait = lower.get(b"retry-after", b"").strip()
    seconds = int(wait) if wait.isdigit() and len(wait) < 7 else None
    return Reply(status, error, answer, seconds)


class _CheckedBackend(httpcore.NetworkBackend):
    """Opens the only connection of an exchange: to an address that was checked, until a deadline."""

    def __init__(self, target: Target, resolve_host: Resolve, deadline: float) -> None:
        self._target = target
        self._resolve = resolve_host
        self._deadline = deadline
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        assert host == self._target.host
        failure: Exception = OSError(f"{host} has no address")
        for address in checked_addresses(self._target, self._resolve):
            try:
                stream = self._plain.connect_tcp(address, port, timeout=_left(self._deadline))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            return _TimedStream(stream, self._deadline)
        raise failure

    def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        raise ForbiddenTarget("Webhooks use TCP only.")


class _TimedStream(httpcore.NetworkStream):
    """A connection with one deadline for all, so that a receiver cannot answer byte by byte for ever."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    """Seconds until the deadline. Raises TimeoutException when it is over."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("deadline")
    return left


def _ssl_context() -> ssl.SSLContext:
    """The authorities of the system, which may hold those of the facility. Without any, those of certifi."""
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:
        context.load_verify_locations(certifi.where())
    return context


def _words(error: Exception) -> str:
    text = clean(str(error), 300)
    return (
        f"No connection: {text or type(error).__name__}. Check the address, the certificate and the firewall."
    )
