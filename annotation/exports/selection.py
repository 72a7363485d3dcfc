"""Which features an export holds: those that the job page shows under the same query."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import QueryDict

from annotation.jobs.models import Job, JobItem

# Parts of a job page's query that choose no features.
NOT_FILTERS = frozenset({"page", "sort", "after", "before", "view", "columns", "csrfmiddlewaretoken"})
LONGEST_FILTER = 20_000


class InvalidFilter(Exception):
    """The query selects nothing that can be exported. Says why."""


def filter_text(query: QueryDict) -> str:
    """The filter of a page's query as stored: sorted, without empty values and what selects nothing."""
    chosen = QueryDict(mutable=True)
    for name in sorted(query):
        values = [value for value in query.getlist(name) if value]
        if name not in NOT_FILTERS and values:
            chosen.setlist(name, values)
    text = chosen.urlencode()
    if len(text) > LONGEST_FILTER:
        raise InvalidFilter(f"The filter has {len(text)} characters, more than {LONGEST_FILTER}. Shorten it.")
    return text


def selected(job: Job, filter_query: str) -> QuerySet[JobItem]:
    """The items of the job that the filter selects. Raises InvalidFilter."""
    if filter_query:
        raise InvalidFilter("This server exports whole jobs only. Leave the filter empty.")
    return JobItem.objects.filter(job=job)
