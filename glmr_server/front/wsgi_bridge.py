"""Runs a WSGI application for one request whose body has been read (PEP 3333)."""

from __future__ import annotations

import http
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from glmr_server.front.response_spool import ResponseSpool

Environ = dict[str, Any]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType]
WSGIApplication = Callable[..., Iterable[bytes]]


@dataclass(slots=True)
class Head:
    """Status and headers of a response. Set by the thread before it writes any byte."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


def environ_of(scope: dict[str, Any], address: str, body: IO[bytes], n_bytes: int) -> Environ:
    """The WSGI environment of an ASGI request. `address` is the client's, `n_bytes` the size of the body."""
    # Percent signs are decoded to bytes by uvicorn only with replacement, so the raw path counts.
    path = unquote_to_bytes(scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    server = scope.get("server") or ("localhost", 80)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 80),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": address,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if b"_" in name:
            continue  # X_Forwarded_Proto would become the same variable as X-Forwarded-Proto
        key = name.decode("latin-1").upper().replace("-", "_")
        if key in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
            continue
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        text = value.decode("latin-1")
        if key in environ:
            text = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + text
        environ[key] = text
    environ["CONTENT_LENGTH"] = str(n_bytes)
    return environ


def run(application: WSGIApplication, environ: Environ, head: Head, spool: ResponseSpool) -> None:
    """Make the whole response, in this thread. Raises what the application raises, or ResponseAbandoned."""

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        head.status = int(status.split(" ", 1)[0])
        # Django's Set-Cookie begins with a blank, which uvicorn refuses.
        stripped = ((name.lower(), value.strip()) for name, value in headers)
        head.headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in stripped]
        return spool.write

    try:
        chunks = application(environ, start_response)
        with closing_if_closable(chunks):
            for chunk in chunks:
                if chunk:
                    spool.write(chunk)
    except BaseException:
        spool.abandon()  # the client must see that the response is not complete
        raise
    spool.end()


@contextmanager
def closing_if_closable(chunks: Iterable[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def phrase(status: int) -> str:
    return http.HTTPStatus(status).phrase
