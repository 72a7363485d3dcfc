"""How many requests a caller may still make in this minute, counted for all web processes together.

The counts are in Redis (the cache "shared"). While it does not answer, each process counts for itself.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import BaseCache, caches
from redis import RedisError

log = logging.getLogger(__name__)

WINDOW_S = 60
# After a failure, Redis is left alone for so long: a request must not wait for it each time.
_PAUSE_S = 10.0
_shared_again_at = 0.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """The state of a caller's minute after a request was counted."""

    limit: int
    used: int
    reset_s: int  # seconds until the next minute begins

    @property
    def exceeded(self) -> bool:
        return self.used > self.limit

    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(0, self.limit - self.used)),
            "RateLimit-Reset": str(self.reset_s),
        }


def count_request(caller: str) -> Allowance:
    """Count one request of the caller (setting GLMR_API_RATE)."""
    global _shared_again_at
    now = time.time()
    window, reset_s = int(now // WINDOW_S), WINDOW_S - int(now % WINDOW_S)
    key = f"api-rate/{caller}/{window}"
    if time.monotonic() >= _shared_again_at:
        try:
            return Allowance(settings.GLMR_API_RATE, _increased(caches["shared"], key), reset_s)
        except (RedisError, OSError) as error:
            _shared_again_at = time.monotonic() + _PAUSE_S
            log.warning("Redis does not answer (%s): rate limits hold in each web process alone.", error)
    return Allowance(settings.GLMR_API_RATE, _increased(caches["default"], key), reset_s)


def _increased(cache: BaseCache, key: str) -> int:
    """The count with this request. Both steps are atomic, so no request is lost between processes."""
    cache.add(key, 0, timeout=2 * WINDOW_S)
    try:
        return cache.incr(key)
    except ValueError:  # it ended between the two steps
        return 1
