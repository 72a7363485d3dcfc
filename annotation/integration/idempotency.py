"""Safe retries of a POST: the first successful response is stored under its key and returned again.

The work and its response are stored in one transaction, so a crash leaves both or neither. A refused request
stores nothing: the key can be used again with a corrected body. A key belongs to an account and a project.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from annotation.integration.locks import try_lock_until_commit
from annotation.integration.models import IdempotencyKey

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from annotation.accounts.models import ApiToken

# Longer than any client retries. Older keys are deleted.
KEPT_FOR = datetime.timedelta(days=7)
LONGEST_KEY = 200


class KeyReused(Exception):
    """The key was used before with another request."""


class StillInFlight(Exception):
    """The first request with this key has no response yet."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The response that a client received."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """The right to do the work for a key, or the response to the earlier request with the key."""

    user: User
    token: ApiToken | None
    stored_key: str
    request_sha256: str
    response: StoredResponse | None

    def store(self, response: StoredResponse) -> None:
        """Store the response, and delete expired keys of the caller."""
        IdempotencyKey.objects.filter(user=self.user, created_at__lt=timezone.now() - KEPT_FOR).delete()
        IdempotencyKey.objects.create(
            user=self.user,
            token=self.token,
            key=self.stored_key,
            request_sha256=self.request_sha256,
            response_status=response.status,
            response_headers=response.headers,
            # As text, because jsonb does not keep the order of the members.
            response_body=json.dumps(response.body),
        )


@contextmanager
def claim_key(*, user: User, token: ApiToken | None, key: str, request_sha256: str) -> Iterator[KeyClaim]:
    """Open the transaction in which the work is done. Raises `KeyReused` or `StillInFlight`.

    A request is in flight while a database session holds the advisory lock of the key. The lock ends with the
    session, so a web process that dies does not leave the key blocked.
    """
    # Bound to project and account, not to the token: a client may rotate its token between two tries.
    stored_key = f"project-{token.project_id}/{key}" if token else f"session/{key}"
    # Releases before 0.2 bound it to the token. Their answers are kept for KEPT_FOR too.
    known_as = [stored_key, f"{token.prefix}/{key}"] if token else [stored_key]
    with transaction.atomic():
        if not try_lock_until_commit(f"idempotency/{user.pk}/{stored_key}"):
            raise StillInFlight
        row = IdempotencyKey.objects.filter(user=user, key__in=known_as).order_by("-pk").first()
        if row is not None and row.created_at < timezone.now() - KEPT_FOR:
            row.delete()
            row = None
        if row is not None and row.request_sha256 != request_sha256:
            raise KeyReused
        yield KeyClaim(user, token, stored_key, request_sha256, _stored_response(row))


def _stored_response(row: IdempotencyKey | None) -> StoredResponse | None:
    if row is None or row.response_status is None:
        return None
    return StoredResponse(row.response_status, row.response_headers, json.loads(row.response_body or "null"))
