"""A real receiver on loopback that answers as it is told, and counts what reaches it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook as Verifier


@dataclass
class Receiver:
    """`answers` are statuses or "hang" and "drip", in turn; the last one stays."""

    port: int
    host: str = "127.0.0.1"
    answers: list[int | str] = field(default_factory=lambda: [204])
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0
    hang_s: float = 3.0

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.requests]

    def verified(self, secret: str) -> list[dict[str, object]]:
        """The bodies, checked as a receiver would check them."""
        return [Verifier(secret).verify(body, headers) for headers, body in self.requests]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: Receiver

    def process_request(self, request: object, client_address: object) -> None:
        self.receiver.connections += 1
        super().process_request(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        receiver.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
        answer = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
        if answer == "hang":
            time.sleep(receiver.hang_s)
            return
        if answer == "drip":
            self._drip(receiver.hang_s)
            return
        content = b"x" * 5000
        self.send_response(int(answer))
        for name, value in receiver.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0" if answer == 204 else str(len(content)))
        self.end_headers()
        if answer != 204:
            self.wfile.write(content)

    def _drip(self, for_s: float) -> None:
        """One byte of the headers at a time: each read is quick, and the answer never ends."""
        ends_at = time.monotonic() + for_s
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        try:
            while time.monotonic() < ends_at:
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass  # the sender has given up

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running(host: str = "127.0.0.1", port: int = 0) -> Iterator[Receiver]:
    server = _Server((host, port), _Handler)
    server.receiver = Receiver(server.server_address[1], host)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
