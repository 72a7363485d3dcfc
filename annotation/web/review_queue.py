"""Which annotations wait for a curator, and in which order: unless asked, where a look decides most."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, QuerySet
from django.http import QueryDict

from annotation.accounts.models import Role
from annotation.results.models import Annotation
from annotation.review.models import Verdict
from annotation.web import certainty, scope

FILTERS = ("project", "job", "q", "sure", "order")
# Nobody skips further than this in one sitting; beyond it, "next" begins again at the first.
LOOKED_THROUGH = 2000


def review_queue(user: User, asked: QueryDict) -> QuerySet[Annotation]:
    """Annotations without a verdict in projects where the person is a curator, in the order asked for.

    Those without a probability are ordered by margin, the smallest first; those without a margin either
    (fewer than two candidates) come last: there is nothing to weigh.
    """
    decided = Verdict.objects.filter(annotation=OuterRef("pk"))
    waiting = Annotation.objects.filter(~Exists(decided), job__project__in=scope.projects(user, Role.CURATOR))
    if project := asked.get("project"):
        waiting = waiting.filter(job__project__slug=project)
    if job := asked_job_id(asked):
        waiting = waiting.filter(job__public_id=job)
    if text := asked.get("q", "").strip():
        waiting = waiting.filter(spectrum__title__icontains=text)
    waiting = certainty.filtered(waiting, asked.get("sure", ""))
    return waiting.order_by(*certainty.order(asked.get("order", "")))


def places_around(user: User, asked: QueryDict, shown: UUID) -> tuple[UUID | None, UUID | None]:
    """What waits before and after an annotation, in the queue's order. One query.

    After one that waits no longer comes the first.
    """
    waiting = list(review_queue(user, asked).values_list("public_id", flat=True)[:LOOKED_THROUGH])
    place = waiting.index(shown) if shown in waiting else -1
    before = waiting[place - 1] if place > 0 else None
    return before, waiting[place + 1] if place + 1 < len(waiting) else None


def kept_filters(asked: QueryDict) -> dict[str, str]:
    """The filters as they stand, to be carried through the pages of one sitting."""
    return {name: value for name in FILTERS if (value := asked.get(name, "").strip())}


def asked_job_id(asked: QueryDict) -> UUID | None:
    text = asked.get("job")
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
