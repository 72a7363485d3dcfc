"""The orders of a job's features, and what comes before and after one of them: pages by keyset.

A page costs the same wherever it is in the list, and rows that land meanwhile move no row to another page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet

from annotation.jobs.models import Job, JobItem

# Sort keys of the page, and the columns that the database sorts by.
SORTS = {
    "position": "position",
    "precursor": "feature__precursor_mz",
    "time": "feature__retention_time_s",
    "spectra": "feature__n_members",
    "purity": "feature__purity",
    "right": "annotation__p_right",
    "margin": "annotation__margin",
    "reference": "annotation__reference_similarity",
    "disagreement": "annotation__reference_disagreement",
    "similarity": "annotation__top_generated_similarity",
    "embedding": "annotation__top_embedding_similarity",
}
DEFAULT_SORT = "position"
ANNOTATION = "annotation__"
# Choices of the order. A narrow screen has no column headings to sort by.
ORDERS = (
    ("position", "As submitted"),
    ("precursor", "Lowest precursor m/z first"),
    ("time", "Earliest retention time first"),
    ("-spectra", "Most spectra first"),
    ("-right", "Highest probability first"),
    ("right", "Lowest probability first"),
    ("-margin", "Largest margin first"),
    ("margin", "Smallest margin first"),
    ("-disagreement", "Strongest disagreement with references first"),
    ("purity", "Lowest purity first"),
)


@dataclass(frozen=True, slots=True)
class Order:
    """A sort key, with a minus in front for descending. Rows without a value come last in both directions.

    The position decides ties, in ascending order, so the order of rows is always the same.
    """

    key: str = DEFAULT_SORT

    @property
    def column(self) -> str:
        return SORTS[self.key.removeprefix("-")]

    @property
    def is_descending(self) -> bool:
        return self.key.startswith("-")

    @property
    def is_of_annotations(self) -> bool:
        return self.column.startswith(ANNOTATION)

    def parts(self, job: Job, items: QuerySet[JobItem]) -> list[Part]:
        """The rows of the list, those with a value first. The database can follow an index in each part.

        One query over both would sort all rows of the job to find the first 50.
        """
        if self.column == "position":
            return [Part(self, items)]
        bound = Q(annotation__job=job) if self.is_of_annotations else Q()
        without = Q((f"{self.column}__isnull", True))
        return [Part(self, items.filter(bound, ~without)), Part(Order(), items.filter(without))]


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that all have a value of the column of their order."""

    order: Order
    rows: QuerySet[JobItem]

    def sorted(self, *, backwards: bool = False) -> QuerySet[JobItem]:
        column = F(self.order.column)
        first = column.desc() if self.order.is_descending != backwards else column.asc()
        if self.order.column == "position":
            return self.rows.order_by(first)
        return self.rows.order_by(first, F("position").desc() if backwards else F("position").asc())

    def after(self, value: Any, position: int) -> Part:
        """The rows behind the row with this value and position."""
        return self._beyond(value, position, is_larger=not self.order.is_descending, is_behind=True)

    def before(self, value: Any, position: int) -> Part:
        """The rows in front of the row with this value and position."""
        return self._beyond(value, position, is_larger=self.order.is_descending, is_behind=False)

    def _beyond(self, value: Any, position: int, *, is_larger: bool, is_behind: bool) -> Part:
        column, comparison = self.order.column, "gt" if is_larger else "lt"
        if column == "position":
            return Part(self.order, self.rows.filter(Q((f"position__{comparison}", value))))
        # The first condition follows from the second. It tells the database where in the index to start.
        here = Q((column, value)) & Q((f"position__{'gt' if is_behind else 'lt'}", position))
        condition = Q((f"{column}__{comparison}e", value)) & (Q((f"{column}__{comparison}", value)) | here)
        return Part(self.order, self.rows.filter(condition))


def read_order(text: str | None) -> Order:
    """The order of a URL; the default order for an unknown key."""
    return Order(text) if text and text.removeprefix("-") in SORTS else Order()
