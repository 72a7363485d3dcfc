"""The orders of a job's features, and what comes before and after one of them: pages by keyset.

A page costs the same wherever it is in the list, and rows that land meanwhile move no row to another page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.expressions import OrderBy

from annotation.jobs.models import JobItem

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

    def sorted(self, items: QuerySet[JobItem], *, backwards: bool = False) -> QuerySet[JobItem]:
        column = F(self.column)
        descends = self.is_descending != backwards
        first: OrderBy
        if backwards:
            first = column.desc(nulls_first=True) if descends else column.asc(nulls_first=True)
        else:
            first = column.desc(nulls_last=True) if descends else column.asc(nulls_last=True)
        if self.column == "position":
            return items.order_by(first)
        return items.order_by(first, F("position").desc() if backwards else F("position").asc())

    def after(self, value: Any, position: int) -> Q:
        """The rows behind the row with this value and position."""
        if self.column == "position":
            return Q(position__lt=position) if self.is_descending else Q(position__gt=position)
        column, beyond = self.column, "lt" if self.is_descending else "gt"
        if value is None:
            return Q((f"{column}__isnull", True), position__gt=position)
        return (
            Q((f"{column}__{beyond}", value))
            | Q((column, value), position__gt=position)
            | Q((f"{column}__isnull", True))
        )

    def before(self, value: Any, position: int) -> Q:
        """The rows in front of the row with this value and position."""
        if self.column == "position":
            return Q(position__gt=position) if self.is_descending else Q(position__lt=position)
        column, beyond = self.column, "gt" if self.is_descending else "lt"
        if value is None:
            return Q((f"{column}__isnull", False)) | Q((f"{column}__isnull", True), position__lt=position)
        return Q((f"{column}__{beyond}", value)) | Q((column, value), position__lt=position)


def read_order(text: str | None) -> Order:
    """The order of a URL; the default order for an unknown key."""
    return Order(text) if text and text.removeprefix("-") in SORTS else Order()
