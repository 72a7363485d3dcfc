"""How many requests a caller may still make in this minute, counted for all web processes together."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.conf import settings

from annotation.api import shared_counts

WINDOW_S = 60


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
    now = time.time()
    window, reset_s = int(now // WINDOW_S), WINDOW_S - int(now % WINDOW_S)
    used = shared_counts.increase(f"api-rate/{caller}/{window}", 2 * WINDOW_S)
    return Allowance(settings.GLMR_API_RATE, used, reset_s)
