"""One page of a job's filtered and ordered features, and the neighbours of one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from annotation.jobs.models import Job, JobItem
from annotation.tables.filter_form import ResultFilter
from annotation.tables.matching import matching_items
from annotation.tables.order import Order

ROWS_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Page:
    """`ids` are items in the order of the list. `first` is the number of the first of them, from 1."""

    ids: list[int]
    first: int
    total: int  # of the filter, on all pages
    previous: int | None  # what `before` must be for the page in front of this one
    following: int | None  # what `after` must be for the page behind this one

    @property
    def last(self) -> int:
        return self.first + len(self.ids) - 1


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The annotated features before and after one in the list."""

    previous: UUID | None
    following: UUID | None


@dataclass(frozen=True, slots=True)
class Place:
    """The number of a feature in the list, from 1, and how many annotated features the list has."""

    number: int
    total: int


def load_page(
    job: Job, chosen: ResultFilter, order: Order, *, after: int | None = None, before: int | None = None
) -> Page:
    """The rows behind the item with the position `after`, or in front of that with the position `before`.

    Without either, or if there is no such item, the first page. Three queries at most.
    """
    items = matching_items(job, chosen)
    position = after if after is not None else before
    start = None if position is None else _cursor(job, order, position)
    backwards = start is not None and after is None
    rows = items
    if start is not None:
        rows = items.filter(order.before(*start) if backwards else order.after(*start))
    found = list(
        order.sorted(rows, backwards=backwards).values_list("pk", "position", order.column)[
            : ROWS_PER_PAGE + 1
        ]
    )
    if start is not None and not found:
        return load_page(job, chosen, order)
    more, found = len(found) > ROWS_PER_PAGE, found[:ROWS_PER_PAGE]
    if backwards:
        found.reverse()
    if not found:
        return Page([], 1, 0, None, None)
    total, n_before = _counts(items, order.before(found[0][2], found[0][1]))
    return Page(
        ids=[pk for pk, _, _ in found],
        first=n_before + 1,
        total=total,
        previous=found[0][1] if n_before else None,
        following=found[-1][1] if (more or backwards) and n_before + len(found) < total else None,
    )


def neighbours(job: Job, item: JobItem, chosen: ResultFilter, order: Order) -> Neighbours:
    """Of an annotated item, whether the filter still matches it or not. At most three queries."""
    items, start = matching_items(job, chosen).filter(annotation__isnull=False), _start(job, order, item)
    ids = "annotation__public_id"
    before, after = items.filter(order.before(*start)), items.filter(order.after(*start))
    previous = order.sorted(before, backwards=True).values_list(ids, flat=True)[:1]
    following = order.sorted(after).values_list(ids, flat=True)[:1]
    return Neighbours(next(iter(previous), None), next(iter(following), None))


def place_in_list(job: Job, item: JobItem, chosen: ResultFilter, order: Order) -> Place:
    """Where an annotated item is among the annotated items of the list. At most two queries."""
    items, start = matching_items(job, chosen).filter(annotation__isnull=False), _start(job, order, item)
    total, n_before = _counts(items, order.before(*start))
    return Place(n_before + 1, total)


def _start(job: Job, order: Order, item: JobItem) -> tuple[Any, int]:
    start = _cursor(job, order, item.position)
    assert start is not None  # the item is in the job
    return start


def _cursor(job: Job, order: Order, position: int) -> tuple[Any, int] | None:
    """The value that the order sorts the item by, and its position. One query, none for the first order."""
    if order.column == "position":
        return position, position
    row = JobItem.objects.filter(job=job, position=position).values_list(order.column, "position").first()
    return row or None


def _counts(items: Any, is_before: Q) -> tuple[int, int]:
    """All items, and those in front of a row. One query."""
    row = items.aggregate(total=Count("pk"), n_before=Count("pk", filter=is_before))
    return row["total"], row["n_before"]
