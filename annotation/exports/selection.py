"""Which features an export holds: those that the job page shows under the same filter."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import QueryDict

from annotation.jobs.models import Job, JobItem
from annotation.tables.filter_form import FILTER_NAMES, InvalidFilter, ResultFilter, read_filter
from annotation.tables.matching import matching_items

LONGEST_FILTER = 20_000


def filter_text(query: QueryDict) -> str:
    """The filter in a page's address as an export stores it: without the order and the page.

    Wrong values stay, so that an export with them is refused. `selected` does that.
    """
    chosen = QueryDict(mutable=True)
    for name in FILTER_NAMES:
        if value := query.get(name):
            chosen[name] = str(value)
    return chosen.urlencode()


def check_filter(filter_query: str) -> ResultFilter:
    """Raises InvalidFilter. Searches nothing: the exporter finds out whether a SMARTS is too complex."""
    if len(filter_query) > LONGEST_FILTER:
        too_long = f"{len(filter_query)} characters are more than {LONGEST_FILTER}. Shorten the filter."
        raise InvalidFilter({"filter": [too_long]})
    return read_filter(filter_query)


def selected(job: Job, filter_query: str) -> QuerySet[JobItem]:
    """The items of the job that the filter selects. Raises InvalidFilter."""
    return matching_items(job, check_filter(filter_query))
