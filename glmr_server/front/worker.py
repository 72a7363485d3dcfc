"""The gunicorn worker that serves the front with uvicorn. gunicorn starts, watches and replaces it."""

from __future__ import annotations

from typing import Any

from uvicorn_worker import UvicornWorker  # type: ignore[import-untyped]

from glmr_server.front import protocol

# A request line with all headers.
_HEADER_BYTES = 32 * 2**10


class FrontWorker(UvicornWorker):  # type: ignore[misc]
    """One web process."""

    CONFIG_KWARGS: dict[str, Any] = {
        "loop": "asyncio",
        "http": protocol.BoundedHTTP,
        "ws": "none",
        "proxy_headers": False,  # glmr_server.front.application reads them, from trusted proxies only
        "server_header": False,
        "h11_max_incomplete_event_size": _HEADER_BYTES,
        "timeout_graceful_shutdown": 4,
    }

    def init_process(self) -> None:
        protocol.share_settings()
        self.config.timeout_keep_alive = int(protocol.BoundedHTTP.limits.idle_s)
        super().init_process()
