"""Clients that send or read slowly: they cost the server sockets, and nobody else has to wait."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from glmr_server.embedded.addresses import database_url
from tests.embedded.server import server

pytest.importorskip("httpx", reason="httpx comes with the client generator of the development tools")
import httpx

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HEADER_S, BODY_S = 3, 4
ATTACKER = "127.0.0.2"  # another address of this machine, so that limits per address hit the attacker only
# The machine that runs the tests may be loaded, so a page is compared with itself before the attack.
BOUND_S = 0.5  # other tests run on the same processors
SLOWDOWN = 2


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slow")


@pytest.fixture(scope="module")
def address(data_dir: Path) -> Iterator[str]:
    limits = {"GLMR_HEADER_TIMEOUT_S": HEADER_S, "GLMR_BODY_TIMEOUT_S": BODY_S}
    limits |= {"GLMR_WEB_THREADS": 2, "GLMR_CONNECTIONS_PER_ADDRESS": 40}
    with server(data_dir, **{name: str(value) for name, value in limits.items()}) as (_, address, _):
        yield address


def sockets(address: str, n: int, start: bytes) -> ExitStack:
    """`n` connections that have sent the start of a request each."""
    target = (str(urlsplit(address).hostname), urlsplit(address).port or 0)
    stack = ExitStack()
    for _ in range(n):
        client = stack.enter_context(socket.create_connection(target, 10, source_address=(ATTACKER, 0)))
        client.sendall(start)
    return stack


def seconds(address: str, n: int = 10) -> list[float]:
    """How long a page takes, each time on a new connection."""
    times = []
    for _ in range(n):
        started = time.monotonic()
        assert httpx.get(f"{address}/sign-in/", timeout=30).status_code == 200
        times.append(time.monotonic() - started)
    return times


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


HALF_HEADER = b"GET /sign-in/ HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
HALF_BODY = (
    b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 1000\r\n\r\n{"spectra": ['
)


@pytest.mark.parametrize(
    ("n", "start"),
    [
        pytest.param(9, HALF_HEADER, id="half headers"),
        pytest.param(20, HALF_BODY, id="half bodies"),
        pytest.param(200, HALF_HEADER, id="more connections than the address may have"),
        pytest.param(30, b"", id="silence"),
    ],
)
def test_slow_senders_do_not_delay_others(address: str, n: int, start: bytes) -> None:
    idle = p95(seconds(address))
    with sockets(address, n, start):
        attacked = p95(seconds(address))
        assert httpx.get(f"{address}/healthz", timeout=5).text == "ok\n"
    print(f"p95 {idle * 1000:.0f} ms idle, {attacked * 1000:.0f} ms under attack")
    assert attacked < BOUND_S + SLOWDOWN * idle


def connect(address: str) -> socket.socket:
    return socket.create_connection((str(urlsplit(address).hostname), urlsplit(address).port or 0), 30)


def answer(client: socket.socket) -> bytes:
    """All bytes until the server closes the connection."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def test_half_a_header_ends_at_its_deadline_however_it_drips(address: str) -> None:
    with connect(address) as client:
        client.sendall(HALF_HEADER)
        started = time.monotonic()
        client.settimeout(0.2)
        received = b""
        while time.monotonic() - started < HEADER_S + 10:
            try:
                received += (chunk := client.recv(100))
                if not chunk:
                    break
            except TimeoutError:
                client.sendall(b"x")
        assert received.startswith(b"HTTP/1.1 408 ")
        assert HEADER_S - 1 < time.monotonic() - started < HEADER_S + 5


def test_half_a_body_ends_at_its_deadline_with_problem_details(address: str) -> None:
    with connect(address) as client:
        client.sendall(HALF_BODY)
        text = answer(client)
    assert text.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in text


def test_silent_connections_are_closed(address: str) -> None:
    with connect(address) as client:
        assert answer(client) == b""


def test_readers_that_stop_do_not_hold_threads(address: str) -> None:
    """More clients than threads ask for a large file and read nothing."""
    path = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    idle = p95(seconds(address))
    with sockets(address, 20, request):
        assert p95(seconds(address)) < BOUND_S + SLOWDOWN * idle


def test_health_check_answers_while_all_threads_wait(address: str, data_dir: Path) -> None:
    """A lock on the table of sessions stops every page of a signed-in person."""
    n = 10
    with psycopg.connect(database_url(data_dir)) as lock, ThreadPoolExecutor(n) as pool:
        lock.execute("LOCK TABLE django_session IN ACCESS EXCLUSIVE MODE")
        page = partial(httpx.get, f"{address}/jobs/", headers={"Cookie": "sessionid=" + "x" * 32}, timeout=60)
        pages = [pool.submit(page) for _ in range(n)]
        assert wait(pages, timeout=1).done == set()
        assert httpx.get(f"{address}/healthz", timeout=5).status_code == 200
        lock.rollback()
        assert {page.result().status_code for page in pages} == {302}


@pytest.mark.parametrize("chunked", [True, False])
def test_refusal_of_a_large_body_reaches_the_client(address: str, chunked: bool) -> None:
    """The body is not read to its end, and the client still gets the answer."""
    size = 9 * 2**20
    content = (b"x" * 65536 for _ in range(size // 65536)) if chunked else b"x" * size
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    refused = httpx.post(f"{address}/sign-in/", content=content, headers=headers, timeout=60)
    assert refused.status_code == 413
    assert httpx.get(f"{address}/healthz").status_code == 200


def test_a_chunked_body_is_read(address: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    done = httpx.post(f"{address}/sign-in/", content=iter([b"user", b"name=a"]), headers=headers, timeout=60)
    assert done.status_code == 403  # without the CSRF token
