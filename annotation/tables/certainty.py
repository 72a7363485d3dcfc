"""Filters and orders of lists by the probability that rank 1 is right."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Q
from django.db.models.functions import Abs

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


def certainty_condition(choice: str, prefix: str = "") -> Q:
    """The condition of one of `CERTAINTY_FILTERS`; always true for an unknown choice.

    `prefix` is the lookup path from a row to its annotation, as in "annotation__".
    """
    match choice:
        case "90" | "75" | "50":
            return Q((f"{prefix}p_right__gte", int(choice) / 100))
        case "below":
            return Q((f"{prefix}p_right__lt", 0.5))
        case "none":
            return Q((f"{prefix}abstains", True))
        case "missing":
            return Q((f"{prefix}pk__isnull", False), (f"{prefix}p_right", None))
        case _:
            return Q()


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
