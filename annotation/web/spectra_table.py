"""The rows of a job's table: its spectra, filtered, sorted and paged in the database."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import OrderBy
from django.http import QueryDict

from annotation.jobs.models import Job, JobItem
from annotation.results.compound_names import compound_names
from annotation.review.models import Verdict
from annotation.web import certainty
from annotation.web.forms import SpectraFilter

ROWS_PER_PAGE = 50
# What the page calls a column, and what the database sorts by.
SORTS = {
    "position": "position",
    "precursor": "spectrum__precursor_mz",
    "right": "annotation__p_right",
    "margin": "annotation__margin",
    "similarity": "annotation__top_generated_similarity",
    "embedding": "annotation__top_embedding_similarity",
}
# Where the column headings do not fit the screen, these stand in for them.
ORDERS = (
    ("position", "As submitted"),
    ("precursor", "Lightest precursor first"),
    ("-right", "Surest rank 1 first"),
    ("right", "Least sure rank 1 first"),
    ("-margin", "Widest margin first"),
    ("margin", "Narrowest margin first"),
)


@dataclass(frozen=True)
class SpectrumRow:
    item: JobItem
    name: str  # what the job's library calls rank 1; empty if it names nothing
    verdict: Verdict.Decision | None
    level: str


@dataclass(frozen=True)
class SpectraTable:
    page: Page[JobItem]
    rows: list[SpectrumRow]
    sort: str
    filter: SpectraFilter
    is_filtered: bool

    @property
    def orders(self) -> list[tuple[str, str]]:
        """What the order can be chosen from, the present one among them."""
        known = [*ORDERS]
        if self.sort not in dict(known):
            known.append((self.sort, "As its column says"))
        return known


def spectra_table(job: Job, asked: QueryDict) -> SpectraTable:
    """Three queries: a count, the rows with all that they show, and the names of their molecules."""
    form = SpectraFilter(asked)
    form.is_valid()
    chosen = {name: form.value(name) for name in form.fields}
    sort = asked.get("sort", "position")
    if sort.lstrip("-") not in SORTS:
        sort = "position"
    rows = _filtered(items(job), chosen).order_by(*_order(sort))
    page = Paginator(rows, ROWS_PER_PAGE).get_page(asked.get("page"))
    return SpectraTable(page, _rows(job, page), sort, form, any(chosen.values()))


def _rows(job: Job, page: Page[JobItem]) -> list[SpectrumRow]:
    found = {item.pk: item.annotation.top_molecule_id for item in page if hasattr(item, "annotation")}
    names = compound_names(job.library_version_id, [pk for pk in found.values() if pk is not None])
    rows = []
    for item in page:
        decision, level = getattr(item, "verdict", None), getattr(item, "verdict_level", None)
        name = names.get(found.get(item.pk) or 0, "")
        rows.append(SpectrumRow(item, name, Verdict.Decision(decision) if decision else None, level or ""))
    return rows


def items(job: Job) -> QuerySet[JobItem]:
    """The items with what a row shows; raw peaks stay in the database."""
    return (
        JobItem.objects.filter(job=job)
        .select_related("spectrum", "annotation__top_molecule")
        .defer(
            "spectrum__mz_bytes",
            "spectrum__intensity_bytes",
            "spectrum__metadata",
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
    rows = certainty.filtered(rows, chosen["sure"], "annotation__")
    # Named in Q, since the verdict is an annotation of the query and no field of the record.
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
    # Ties by place in the job, so that a page boundary never shows a row twice.
    return [first, F("position")]
