"""The table of a job's features. The database filters, sorts and pages it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import QueryDict
from django.utils.http import urlencode

from annotation.jobs.models import Job, JobItem
from annotation.results.compound_names import compound_labels
from annotation.results.models import FormulaCandidate
from annotation.review.models import Verdict
from annotation.tables.filter_form import (
    InvalidFilter,
    ResultFilter,
    ResultFilterForm,
    read_filter,
    valid_part,
)
from annotation.tables.matching import matching_items
from annotation.tables.order import ORDERS, Order, read_order
from annotation.tables.pages import Neighbours, Page, Place, load_page, neighbours, place_in_list

# The name under which the address of a feature, and of the review queue, carries the list that it is part of.
LIST = "list"
MAX_QUERY = 8000  # characters; a longer one is no address
# Filters behind the fold of the form, which opens if one of them is set.
MORE_FILTERS = frozenset(ResultFilterForm.base_fields) - {"q", "state", "sure", "references", "review"}


@dataclass(frozen=True, slots=True)
class FeatureRow:
    item: JobItem
    name: str  # of rank 1 in the job's library; empty if the library has no name for it
    reference_name: str  # of the molecule of the best reference spectrum
    verdict: Verdict.Decision | None
    level: str
    formula: FormulaCandidate | None  # the most likely one, if there is no match

    @property
    def level_label(self) -> str:
        return f"level {self.level}" if self.level else ""


@dataclass(frozen=True, slots=True)
class SpectraTable:
    page: Page
    rows: list[FeatureRow]
    order: Order
    form: ResultFilterForm  # as it was sent, with the errors
    chosen: ResultFilter  # what of it applies

    @property
    def sort(self) -> str:
        return self.order.key

    @property
    def query(self) -> str:
        """Filter and order as a query string without a page."""
        return list_query(self.chosen, self.order)

    @property
    def carried(self) -> str:
        """The same as one parameter, for the address of a feature."""
        return carried_list(self.query)

    @property
    def shows_more_filters(self) -> bool:
        return not MORE_FILTERS.isdisjoint({*self.chosen.values, *self.form.errors})

    @property
    def orders(self) -> list[tuple[str, str]]:
        """The choices of the order, with the current one, which a column heading can have set."""
        orders = [*ORDERS]
        if self.sort not in dict(orders):
            orders.append((self.sort, "By column heading"))
        return orders


def spectra_table(job: Job, parameters: QueryDict) -> SpectraTable:
    """The page of the table that the URL's query parameters select.

    Six queries at most: three of the page, the rows with everything that they show, the names of their
    molecules, and the formulas of those without a match. A substructure needs those of its search.
    """
    form = ResultFilterForm(parameters)
    chosen = valid_part(form)
    order = read_order(parameters.get("sort"))
    after, before = _position(parameters.get("after")), _position(parameters.get("before"))
    try:
        page = load_page(job, chosen, order, after=after, before=before)
    except InvalidFilter as invalid:  # only the search for a substructure finds out that it is none
        for name, texts in invalid.errors.items():
            form.add_error(name, texts)
        chosen = valid_part(form)
        page = load_page(job, chosen, order, after=after, before=before)
    return SpectraTable(page, _rows(job, page), order, form, chosen)


def list_query(chosen: ResultFilter, order: Order) -> str:
    """Filter and order as a query string; empty for the list as submitted."""
    sort = urlencode({"sort": order.key}) if order != Order() else ""
    return "&".join(part for part in (chosen.query, sort) if part)


def carried_list(query: str) -> str:
    return urlencode({LIST: query}) if query else ""


def listed_items(job: Job, query: str) -> QuerySet[JobItem]:
    """The items of the list that the query string selects. A filter that is wrong leaves out nothing."""
    try:
        return matching_items(job, read_filter(query[:MAX_QUERY]))
    except InvalidFilter:
        return JobItem.objects.filter(job=job)


def list_neighbours(job: Job, item: JobItem, query: str) -> tuple[Neighbours, Place | None]:
    """Of a feature in the list of its job that the query string selects. Five queries at most.

    The place is None for the list as submitted, which has the feature's own number.
    """
    parameters = QueryDict(query[:MAX_QUERY])
    chosen, order = valid_part(ResultFilterForm(parameters)), read_order(parameters.get("sort"))
    try:
        found = neighbours(job, item, chosen, order)
    except InvalidFilter:
        chosen = ResultFilter()
        found = neighbours(job, item, chosen, order)
    return found, place_in_list(job, item, chosen, order) if query else None


def _rows(job: Job, page: Page) -> list[FeatureRow]:
    items = {item.pk: item for item in shown_items(job, page.ids)}
    ordered = [items[pk] for pk in page.ids if pk in items]
    names = compound_labels(job.library_version_id, _molecules(ordered))
    formulas = _best_formulas(ordered)
    return [_row(item, names, formulas.get(item.pk)) for item in ordered]


def _row(item: JobItem, names: dict[int, str], formula: FormulaCandidate | None) -> FeatureRow:
    annotation = getattr(item, "annotation", None)
    reference = annotation.best_reference if annotation else None
    decision, level = getattr(item, "verdict", None), getattr(item, "verdict_level", None)
    return FeatureRow(
        item=item,
        name=names.get(annotation.top_molecule_id or 0, "") if annotation else "",
        reference_name=names.get(reference.molecule_id) or reference.title if reference else "",
        verdict=Verdict.Decision(decision) if decision else None,
        level=level or "",
        formula=formula,
    )


def _molecules(items: list[JobItem]) -> list[int]:
    """Ids of the molecules of rank 1 and of the references."""
    annotations = [item.annotation for item in items if hasattr(item, "annotation")]
    top = [annotation.top_molecule_id for annotation in annotations]
    references = [row.best_reference.molecule_id for row in annotations if row.best_reference]
    return [pk for pk in (*top, *references) if pk is not None]


def _best_formulas(items: list[JobItem]) -> dict[int, FormulaCandidate]:
    """The most likely formula of each item without a match, by item. At most one query."""
    unmatched = [item.pk for item in items if item.state == JobItem.State.NO_MATCH]
    if not unmatched:
        return {}
    rows = FormulaCandidate.objects.filter(annotation__item__in=unmatched, rank=1)
    return {row.annotation.item_id: row for row in rows.select_related("annotation")}


def shown_items(job: Job, ids: list[int]) -> QuerySet[JobItem]:
    """These items with everything that a row shows. Raw peaks stay in the database."""
    return (
        JobItem.objects.filter(job=job, pk__in=ids)
        .select_related(
            "feature", "spectrum", "annotation__top_molecule", "annotation__best_reference__molecule"
        )
        .defer(
            "spectrum__mz_bytes",
            "spectrum__intensity_bytes",
            "spectrum__metadata",
            "annotation__members",
            "feature__quantities",
            "annotation__top_molecule__fingerprint",
            "annotation__best_reference__mz_bytes",
            "annotation__best_reference__intensity_bytes",
            "annotation__best_reference__molecule__fingerprint",
        )
        .annotate(verdict=_latest_verdict("decision"), verdict_level=_latest_verdict("level"))
    )


def _latest_verdict(field: str) -> Subquery:
    latest = Verdict.objects.filter(annotation__item=OuterRef("pk")).order_by("-id")
    return Subquery(latest.values(field)[:1])


def _position(text: str | None) -> int | None:
    """Anything but a position is no position."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else None
