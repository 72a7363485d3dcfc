"""Counts that all web processes share, in Redis (the cache "shared").

While Redis does not answer, each process counts for itself, so limits still hold, for each process alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.core.cache import BaseCache, caches
from redis import RedisError

log = logging.getLogger(__name__)

T = TypeVar("T")
# After a failure, Redis is left alone for so long: a request must not wait for it each time.
_PAUSE_S = 10.0
_shared_again_at = 0.0


def increase(key: str, seconds: float) -> int:
    """The count with this call, from 1. It ends after the seconds, counted from the first call."""

    def work(cache: BaseCache) -> int:
        # Both steps are atomic, so no call is lost between processes.
        cache.add(key, 0, timeout=seconds)
        try:
            return cache.incr(key)
        except ValueError:  # it ended between the two steps
            return 1

    return _with_cache(work)


def value(key: str) -> int:
    """The count, without this call."""
    return _with_cache(lambda cache: int(cache.get(key, 0)))


def _with_cache(work: Callable[[BaseCache], T]) -> T:
    global _shared_again_at
    if time.monotonic() >= _shared_again_at:
        try:
            return work(caches["shared"])
        except (RedisError, OSError) as error:
            _shared_again_at = time.monotonic() + _PAUSE_S
            log.warning("Redis does not answer (%s): limits hold in each web process alone.", error)
    return work(caches["default"])
