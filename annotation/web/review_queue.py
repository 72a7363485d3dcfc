"""Which annotations wait for a curator, in which order, and what comes before and after one of them."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, QuerySet
from django.http import QueryDict

from annotation.accounts.models import Role
from annotation.jobs.models import Job
from annotation.results.models import Annotation
from annotation.review.models import Verdict
from annotation.tables.certainty import certainty_condition, queue_order
from annotation.web import scope
from annotation.web.spectra_table import LIST, listed_items

# Query parameters that one sitting keeps from page to page.
FILTERS = ("project", "job", "q", "sure", "order", LIST)
# Nobody skips further than this in one sitting. Beyond it, "next" starts again at the first.
MAX_LOOKAHEAD = 2000


def review_queue(user: User, query: QueryDict) -> QuerySet[Annotation]:
    """Annotations without a verdict in the projects where the user is a curator.

    Results without a match are not in the queue: they have no candidate to decide on.

    Closest to 50 % first by default. Annotations without a probability come last, the smallest margin first;
    an annotation with fewer than two candidates has no margin and comes at the very end.
    """
    decided = Verdict.objects.filter(annotation=OuterRef("pk"))
    projects = scope.projects(user, Role.CURATOR)
    waiting: QuerySet[Annotation] = Annotation.objects.in_projects(projects).filter(
        ~Exists(decided), n_candidates__gt=0
    )
    if project := query.get("project"):
        waiting = waiting.filter(job__project__slug=project)
    if job := requested_job_id(query):
        waiting = waiting.filter(job__public_id=job)
        if listed := query.get(LIST):
            row = Job.objects.in_projects(projects).filter(public_id=job).first()
            waiting = waiting.filter(item__in=listed_items(row, listed)) if row else waiting.none()
    if text := query.get("q", "").strip():
        waiting = waiting.filter(spectrum__title__icontains=text)
    waiting = waiting.filter(certainty_condition(query.get("sure", "")))
    return waiting.order_by(*queue_order(query.get("order", "")))


def queue_neighbours(user: User, query: QueryDict, shown: UUID) -> tuple[UUID | None, UUID | None]:
    """The annotations before and after one, in the order of the queue. One query.

    The first of the queue comes after an annotation that no longer waits.
    """
    waiting = list(review_queue(user, query).values_list("public_id", flat=True)[:MAX_LOOKAHEAD])
    index = waiting.index(shown) if shown in waiting else -1
    previous = waiting[index - 1] if index > 0 else None
    following = waiting[index + 1] if index + 1 < len(waiting) else None
    return previous, following


def active_filters(query: QueryDict) -> dict[str, str]:
    """The filters that are set, to be carried through the pages of one sitting."""
    return {name: value for name in FILTERS if (value := query.get(name, "").strip())}


def requested_job_id(query: QueryDict) -> UUID | None:
    """None also for a text that is not an ID: the filter is then ignored."""
    text = query.get("job")
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
