"""Lists by how sure rank 1 is: the choices of a filter, and the orders of the review queue."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import F, Model, Q, QuerySet
from django.db.models.functions import Abs

Row = TypeVar("Row", bound=Model)

SURE = (
    ("", "However sure"),
    ("90", "At least 90 %"),
    ("75", "At least 75 %"),
    ("50", "At least 50 %"),
    ("below", "Below 50 %"),
    ("none", "None of these"),
    ("missing", "Not given"),
)
# Near 50 % a look decides most: what is nearly certain is soon accepted, what is hopeless takes longest.
ORDERS = (
    ("", "Nearest to 50 % first"),
    ("sure", "Most certain first"),
    ("unsure", "Least certain first"),
    ("margin", "Smallest margin first"),
)


def filtered(rows: QuerySet[Row], sure: str, prefix: str = "") -> QuerySet[Row]:
    """Those of the chosen certainty; all for a choice that there is not. `prefix` leads to the annotation."""
    match sure:
        case "90" | "75" | "50":
            return rows.filter(Q((f"{prefix}p_right__gte", int(sure) / 100)))
        case "below":
            return rows.filter(Q((f"{prefix}p_right__lt", 0.5)))
        case "none":
            return rows.filter(Q((f"{prefix}abstains", True)))
        case "missing":
            return rows.filter(Q((f"{prefix}pk__isnull", False)), Q((f"{prefix}p_right", None)))
        case _:
            return rows


def order(chosen: str) -> list[Any]:
    """Of annotations. Those without a probability come after the others, by their margin."""
    margin = F("margin").asc(nulls_last=True)
    match chosen:
        case "sure":
            return [F("p_right").desc(nulls_last=True), margin, "pk"]
        case "unsure":
            return [F("p_right").asc(nulls_last=True), margin, "pk"]
        case "margin":
            return [margin, "pk"]
        case _:
            return [Abs(F("p_right") - 0.5).asc(nulls_last=True), margin, "pk"]
