"""The table of a job's spectra. The database filters, sorts and pages it."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import OrderBy
from django.http import QueryDict

from annotation.jobs.models import Job, JobItem
from annotation.results.compound_names import compound_names
from annotation.results.models import FormulaCandidate
from annotation.review.models import Verdict
from annotation.web.certainty import filter_by_certainty
from annotation.web.forms import SpectraFilter

ROWS_PER_PAGE = 50
# Sort keys of the page, and the columns that the database sorts by.
SORTS = {
    "position": "position",
    "precursor": "spectrum__precursor_mz",
    "time": "feature__retention_time_s",
    "spectra": "feature__n_members",
    "right": "annotation__p_right",
    "margin": "annotation__margin",
    "similarity": "annotation__top_generated_similarity",
    "embedding": "annotation__top_embedding_similarity",
}
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
)


@dataclass(frozen=True)
class SpectrumRow:
    item: JobItem
    name: str  # of rank 1 in the job's library; empty if the library has no name for it
    verdict: Verdict.Decision | None
    level: str
    formula: FormulaCandidate | None  # the most likely one, if there is no match

    @property
    def level_label(self) -> str:
        return f"level {self.level}" if self.level else ""


@dataclass(frozen=True)
class SpectraTable:
    page: Page[JobItem]
    rows: list[SpectrumRow]
    sort: str
    filter: SpectraFilter
    is_filtered: bool

    @property
    def orders(self) -> list[tuple[str, str]]:
        """The choices of the order, with the current one, which a column heading can have set."""
        orders = [*ORDERS]
        if self.sort not in dict(orders):
            orders.append((self.sort, "By column heading"))
        return orders


def spectra_table(job: Job, parameters: QueryDict) -> SpectraTable:
    """The page of the table that the URL's query parameters select.

    Four queries: the count, the rows with everything that they show, the names of their molecules, and the
    formulas of those without a match.
    """
    form = SpectraFilter(parameters)
    chosen = form.values()
    sort = parameters.get("sort", "position")
    if sort.lstrip("-") not in SORTS:
        sort = "position"
    rows = _filtered(items(job), chosen).order_by(*_order(sort))
    page = Paginator(rows, ROWS_PER_PAGE).get_page(parameters.get("page"))
    return SpectraTable(page, _rows(job, page), sort, form, any(chosen.values()))


def _rows(job: Job, page: Page[JobItem]) -> list[SpectrumRow]:
    molecules = {item.pk: item.annotation.top_molecule_id for item in page if hasattr(item, "annotation")}
    names = compound_names(job.library_version_id, [pk for pk in molecules.values() if pk is not None])
    formulas = _best_formulas(page)
    rows = []
    for item in page:
        decision, level = getattr(item, "verdict", None), getattr(item, "verdict_level", None)
        name = names.get(molecules.get(item.pk) or 0, "")
        verdict = Verdict.Decision(decision) if decision else None
        rows.append(SpectrumRow(item, name, verdict, level or "", formulas.get(item.pk)))
    return rows


def _best_formulas(page: Page[JobItem]) -> dict[int, FormulaCandidate]:
    """The most likely formula of each item without a match, by item. At most one query."""
    unmatched = [item.pk for item in page if item.state == JobItem.State.NO_MATCH]
    if not unmatched:
        return {}
    rows = FormulaCandidate.objects.filter(annotation__item__in=unmatched, rank=1)
    return {row.annotation.item_id: row for row in rows.select_related("annotation")}


def items(job: Job) -> QuerySet[JobItem]:
    """The job's items with everything that a row shows. Raw peaks stay in the database."""
    return (
        JobItem.objects.filter(job=job)
        .select_related("feature", "spectrum", "annotation__top_molecule")
        .defer(
            "spectrum__mz_bytes",
            "spectrum__intensity_bytes",
            "spectrum__metadata",
            "annotation__members",
            "feature__quantities",
            "annotation__top_molecule__fingerprint",
        )
        .annotate(verdict=_latest_verdict("decision"), verdict_level=_latest_verdict("level"))
    )


def _latest_verdict(field: str) -> Subquery:
    latest = Verdict.objects.filter(annotation__item=OuterRef("pk")).order_by("-id")
    return Subquery(latest.values(field)[:1])


def _filtered(rows: QuerySet[JobItem], chosen: dict[str, str]) -> QuerySet[JobItem]:
    if text := chosen["q"]:
        rows = rows.filter(Q(spectrum__title__icontains=text) | Q(spectrum__external_id__icontains=text))
    if state := chosen["state"]:
        rows = rows.filter(state=state)
    rows = filter_by_certainty(rows, chosen["sure"], "annotation__")
    # In Q, because the type checker does not know the query's annotation as a field.
    match chosen["review"]:
        case "":
            return rows
        case "none":
            return rows.filter(Q(("verdict", None)), annotation__isnull=False)
        case "any":
            return rows.exclude(Q(("verdict", None)))
        case decision:
            return rows.filter(Q(("verdict", decision)))


def _order(sort: str) -> list[OrderBy | F]:
    column = F(SORTS[sort.lstrip("-")])
    descending = sort.startswith("-")
    first = column.desc(nulls_last=True) if descending else column.asc(nulls_last=True)
    # The position decides ties. Otherwise a row could appear on two pages.
    return [first, F("position")]
