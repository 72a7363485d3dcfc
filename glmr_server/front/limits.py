"""What one client may use of a web process. Read from the settings, so that each limit has one name."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from django.conf import settings

Network = IPv4Network | IPv6Network

# Bodies and responses of up to this size stay in memory; larger ones go to a temporary file.
MEMORY_BYTES = 256 * 2**10


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one web process. Sizes in bytes, times in seconds."""

    header_s: float = 10.0
    body_s: float = 30.0  # for a body without any bytes; each received byte adds to it
    body_bytes_per_s: int = 4096
    # Between two requests on a connection. Longer than clients and proxies keep theirs (5 s in httpx, 60 s in
    # nginx): otherwise both sides may act at the same time, and the request is lost.
    idle_s: float = 75.0
    stall_s: float = 30.0  # without progress while the client reads a response
    queue_s: float = 30.0  # until a thread is free
    queue_length: int = 256
    connections: int = 1000
    connections_per_address: int = 128
    spool_bytes: int = 4 * 2**30  # temporary files of request bodies, all clients together
    threads: int = 8
    trusted_proxies: tuple[Network, ...] = field(default=())

    def body_deadline(self, started: float, n_bytes: int) -> float:
        """When a body that has `n_bytes` so far is given up. A slow line is fine, a stopped sender is not."""
        return started + self.body_s + n_bytes / self.body_bytes_per_s

    def is_proxy(self, address: str) -> bool:
        if not self.trusted_proxies:
            return False
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.trusted_proxies)


def from_settings() -> Limits:
    return Limits(
        header_s=settings.GLMR_HEADER_TIMEOUT_S,
        body_s=settings.GLMR_BODY_TIMEOUT_S,
        body_bytes_per_s=settings.GLMR_BODY_BYTES_PER_S,
        connections=settings.GLMR_CONNECTIONS,
        connections_per_address=settings.GLMR_CONNECTIONS_PER_ADDRESS,
        spool_bytes=settings.GLMR_SPOOL_BYTES,
        threads=settings.GLMR_WEB_THREADS,
        trusted_proxies=tuple(ip_network(name) for name in settings.GLMR_TRUSTED_PROXIES),
    )


def now() -> float:
    """Seconds of the clock that asyncio's event loop uses."""
    return time.monotonic()
