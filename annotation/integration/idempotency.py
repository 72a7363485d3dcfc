"""Retries of a POST are safe: the first successful answer is kept by key and given again.

The work and its kept answer are one transaction, so a crash leaves both or neither. A refused request
keeps nothing: its key may be used again with a mended body.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.utils import timezone

from annotation.integration.models import IdempotencyKey

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from annotation.accounts.models import ApiToken

# Longer than any client retries; afterwards a key is forgotten.
KEPT_FOR = datetime.timedelta(days=7)
LONGEST_KEY = 200


class KeyReused(Exception):
    """The key came before with another request."""


class StillInFlight(Exception):
    """The first request with this key has not been answered yet."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client was told."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """The right to do the work for a key, or the answer that stands already."""

    user: User
    token: ApiToken | None
    stored_key: str
    request_sha256: str
    answer: Answer | None

    def keep(self, answer: Answer) -> None:
        """Also forgets the caller's keys that are beyond their time."""
        IdempotencyKey.objects.filter(user=self.user, created_at__lt=timezone.now() - KEPT_FOR).delete()
        IdempotencyKey.objects.create(
            user=self.user,
            token=self.token,
            key=self.stored_key,
            request_sha256=self.request_sha256,
            response_status=answer.status,
            response_headers=answer.headers,
            # As text, since jsonb would not keep the order of the members.
            response_body=json.dumps(answer.body),
        )


@contextmanager
def claim_key(*, user: User, token: ApiToken | None, key: str, request_sha256: str) -> Iterator[KeyClaim]:
    """Opens the transaction in which the work is done. Raises `KeyReused` or `StillInFlight`.

    In flight means that a database session holds the key's advisory lock: it ends with that session,
    so the death of a web process never leaves a key blocked.
    """
    stored_key = f"{token.prefix if token else 'session'}/{key}"
    with transaction.atomic():
        if not _try_lock(f"{user.pk}/{stored_key}"):
            raise StillInFlight
        kept = IdempotencyKey.objects.filter(user=user, key=stored_key).first()
        if kept is not None and kept.created_at < timezone.now() - KEPT_FOR:
            kept.delete()
            kept = None
        if kept is not None and kept.request_sha256 != request_sha256:
            raise KeyReused
        yield KeyClaim(user, token, stored_key, request_sha256, _answer(kept))


def _answer(kept: IdempotencyKey | None) -> Answer | None:
    if kept is None or kept.response_status is None:
        return None
    return Answer(kept.response_status, kept.response_headers, json.loads(kept.response_body or "null"))


def _try_lock(name: str) -> bool:
    number = int.from_bytes(hashlib.sha256(f"idempotency/{name}".encode()).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return bool(cursor.fetchone()[0])
