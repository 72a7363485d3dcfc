"""One page of a job's filtered and ordered features, and the neighbours of one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from annotation.jobs.models import Job, JobItem
from annotation.tables.filter_form import ResultFilter
from annotation.tables.matching import matching_items
from annotation.tables.order import Order, Part

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


@dataclass(frozen=True, slots=True)
class _Start:
    """A row that the list is read from: the index of its part, and its value and position there."""

    part: int
    value: Any
    position: int


def load_page(
    job: Job, chosen: ResultFilter, order: Order, *, after: int | None = None, before: int | None = None
) -> Page:
    """The rows behind the item with the position `after`, or in front of that with the position `before`.

    Without either, or if there is no such item, the first page. Six queries at most, two for the first page
    of a list that all have a value of.
    """
    items = matching_items(job, chosen)
    parts = order.parts(job, items)
    position = after if after is not None else before
    start = None if position is None else _start(job, order, position)
    backwards = start is not None and after is None
    columns = ("pk", "position", order.column)
    found = _read(parts, start, columns, ROWS_PER_PAGE + 1, backwards=backwards)
    if start is not None and not found:
        return load_page(job, chosen, order)
    more, found = len(found) > ROWS_PER_PAGE, found[:ROWS_PER_PAGE]
    if backwards:
        found.reverse()
    if not found:
        return Page([], 1, 0, None, None)
    total = items.count()
    n_before = 0 if start is None else _count_before(parts, _start_of(order, found[0][2], found[0][1]))
    return Page(
        ids=[pk for pk, _, _ in found],
        first=n_before + 1,
        total=total,
        previous=found[0][1] if n_before else None,
        following=found[-1][1] if (more or backwards) and n_before + len(found) < total else None,
    )


def neighbours(job: Job, item: JobItem, chosen: ResultFilter, order: Order) -> Neighbours:
    """Of an annotated item, whether the filter still matches it or not. At most five queries."""
    parts = order.parts(job, _annotated(job, chosen))
    start, ids = _start_at(job, order, item), ("annotation__public_id",)
    previous = _read(parts, start, ids, 1, backwards=True)
    following = _read(parts, start, ids, 1, backwards=False)
    return Neighbours(previous[0][0] if previous else None, following[0][0] if following else None)


def place_in_list(job: Job, item: JobItem, chosen: ResultFilter, order: Order) -> Place:
    """Where an annotated item is among the annotated items of the list. At most four queries."""
    items = _annotated(job, chosen)
    n_before = _count_before(order.parts(job, items), _start_at(job, order, item))
    return Place(n_before + 1, items.count())


def _annotated(job: Job, chosen: ResultFilter) -> QuerySet[JobItem]:
    return matching_items(job, chosen).filter(annotation__isnull=False)


def _start_at(job: Job, order: Order, item: JobItem) -> _Start:
    start = _start(job, order, item.position)
    assert start is not None  # the item is in the job
    return start


def _start(job: Job, order: Order, position: int) -> _Start | None:
    """The row with a position. One query, none for the first order."""
    if order.column == "position":
        return _start_of(order, position, position)
    values = JobItem.objects.filter(job=job, position=position).values_list(order.column, flat=True)
    return next((_start_of(order, value, position) for value in values), None)


def _start_of(order: Order, value: Any, position: int) -> _Start:
    return _Start(0, value, position) if value is not None else _Start(1, position, position)


def _read(
    parts: list[Part], start: _Start | None, columns: tuple[str, ...], n: int, *, backwards: bool
) -> list[tuple[Any, ...]]:
    """The `n` rows next to the start, nearest first. One query for each part that has to be read."""
    found: list[tuple[Any, ...]] = []
    indices = range(len(parts))
    for index in reversed(indices) if backwards else indices:
        part = parts[index]
        if start is not None and index == start.part:
            beyond = part.before if backwards else part.after
            part = beyond(start.value, start.position)
        elif start is not None and (index > start.part) == backwards:
            continue
        if len(found) < n:
            found += part.sorted(backwards=backwards).values_list(*columns)[: n - len(found)]
    return found


def _count_before(parts: list[Part], start: _Start) -> int:
    """The rows in front of the start. One query for each part."""
    counted = [part.rows for part in parts[: start.part]]
    counted.append(parts[start.part].before(start.value, start.position).rows)
    return sum(rows.count() for rows in counted)
