"""Filters and orders of lists by the probability that rank 1 is right."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import F, Model, Q, QuerySet
from django.db.models.functions import Abs

from annotation.results.models import Annotation

Row = TypeVar("Row", bound=Model)

CERTAINTY_FILTERS = (
    ("", "Any probability"),
    ("90", "At least 90 %"),
    ("75", "At least 75 %"),
    ("50", "At least 50 %"),
    ("below", "Below 50 %"),
    ("none", "None of these"),
    ("missing", "No probability"),
)
# A curator's decision adds most near 50 %: an almost certain rank 1 is accepted quickly anyway, and an
# unlikely one takes long.
QUEUE_ORDERS = (
    ("", "Closest to 50 % first"),
    ("sure", "Highest probability first"),
    ("unsure", "Lowest probability first"),
    ("margin", "Smallest margin first"),
)


def filter_by_certainty(rows: QuerySet[Row], choice: str, prefix: str = "") -> QuerySet[Row]:
    """The rows that match one of `CERTAINTY_FILTERS`; all rows for an unknown choice.

    `prefix` is the lookup path from a row to its annotation, as in "annotation__".
    """
    match choice:
        case "90" | "75" | "50":
            return rows.filter(Q((f"{prefix}p_right__gte", int(choice) / 100)))
        case "below":
            return rows.filter(Q((f"{prefix}p_right__lt", 0.5)))
        case "none":
            return rows.filter(Q((f"{prefix}abstains", True)))
        case "missing":
            return rows.filter(Q((f"{prefix}pk__isnull", False)), Q((f"{prefix}p_right", None)))
        case _:
            return rows


def queue_order(choice: str) -> list[Any]:
    """Columns of `Annotation` to order by. Annotations without a probability come last, by their margin."""
    margin = F("margin").asc(nulls_last=True)
    match choice:
        case "sure":
            return [F("p_right").desc(nulls_last=True), margin, "pk"]
        case "unsure":
            return [F("p_right").asc(nulls_last=True), margin, "pk"]
        case "margin":
            return [margin, "pk"]
        case _:
            return [Abs(F("p_right") - 0.5).asc(nulls_last=True), margin, "pk"]


def confidence_words(annotation: Annotation) -> str:
    """The confidence in a result in words that follow its numbers. The only place that knows the words."""
    p_right = annotation.p_right
    if annotation.n_candidates == 0:
        return "No candidate"
    if p_right is None:
        return "Ranked, without probabilities"
    if annotation.abstains:
        return "Possibly none of these"
    if annotation.n_candidates == 1:
        return "Only candidate, nothing to compare it with"
    if p_right >= 0.9:
        return "Rank 1 is very likely right"
    if p_right >= 0.75:
        return "Rank 1 is likely right"
    if p_right >= 0.5:
        return "Rank 1 is more likely right than wrong"
    return "Uncertain: rank 1 is more likely wrong"
