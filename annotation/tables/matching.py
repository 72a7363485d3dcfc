"""Which features of a job a filter matches: one condition for the table, the neighbours, exports and REST."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db.models import BooleanField, Exists, Expression, F, OuterRef, Q, QuerySet

from annotation.jobs.models import Job, JobItem
from annotation.results.models import Annotation
from annotation.review.models import Verdict
from annotation.tables.certainty import certainty_condition
from annotation.tables.filter_form import DEFAULT_MZ_PPM, ResultFilter
from annotation.tables.substructure import molecules_with
from models_ml.molecules.formula import stored_formulas


def matching_items(job: Job, chosen: ResultFilter) -> QuerySet[JobItem]:
    """The items of the job that match the filter, in no order. Raises InvalidFilter for a bad SMARTS."""
    return JobItem.objects.filter(condition(chosen, job), job=job)


def matching_annotations(job: Job, chosen: ResultFilter) -> QuerySet[Annotation]:
    """The annotations of those items, in no order."""
    annotations = Annotation.objects.filter(job=job).order_by()
    # A job that is not filtered needs no join with its items.
    return annotations.filter(item__in=matching_items(job, chosen)) if chosen else annotations


def condition(chosen: ResultFilter, job: Job) -> Q:
    """The filter, for `JobItem.objects.filter(...)`, which may use it many times.

    No query, but those of `molecules_with` for a substructure. Raises InvalidFilter for a bad substructure.
    """
    values = dict(chosen.values)
    result = Q()
    if masses := values.pop("mz", ()):
        ppm = values.pop("mz_ppm", DEFAULT_MZ_PPM)
        result &= Q(InRanges("feature__precursor_mz", ranges_around(masses, ppm)))
    if smarts := values.pop("smarts", ""):
        result &= Q(InIds("annotation__top_molecule", molecules_with(smarts, job)))
    for name, value in values.items():
        result &= _CONDITIONS[name](value)
    return result


def ranges_around(masses: Sequence[float], ppm: float) -> list[tuple[float, float]]:
    """Disjoint ranges of m/z, ascending."""
    ranges: list[tuple[float, float]] = []
    for mass in sorted(masses):
        low, high = mass * (1 - ppm * 1e-6), mass * (1 + ppm * 1e-6)
        if ranges and low <= ranges[-1][1]:
            low = ranges.pop()[0]
        ranges.append((low, high))
    return ranges


class InRanges(Expression):
    """Whether a number is in one of the ranges, which are disjoint and ascending. Null for null.

    A binary search for each row, so that a list of a thousand m/z costs as little as one.
    """

    conditional = True

    def __init__(self, column: str, ranges: Sequence[tuple[float, float]]) -> None:
        super().__init__(output_field=BooleanField())
        self._column: Any = F(column)
        self._lows = [low for low, _ in ranges]
        self._highs = [high for _, high in ranges]

    def get_source_expressions(self) -> list[Any]:
        return [self._column]

    def set_source_expressions(self, expressions: Sequence[Any]) -> None:
        (self._column,) = expressions

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        column, parameters = compiler.compile(self._column)
        sql = f"({column} <= (%s::float8[])[width_bucket({column}, %s::float8[])])"
        return sql, [*parameters, self._highs, *parameters, self._lows]


class InIds(Expression):
    """Whether an id is one of many. Null for null.

    One parameter, an array, which the database hashes. A list with `in` has a parameter for each id, and
    writing thousands of them takes longer than the query.
    """

    conditional = True

    def __init__(self, column: str, ids: Iterable[int]) -> None:
        super().__init__(output_field=BooleanField())
        self._column: Any = F(column)
        self._ids = f"{{{','.join(map(str, ids))}}}"

    def get_source_expressions(self) -> list[Any]:
        return [self._column]

    def set_source_expressions(self, expressions: Sequence[Any]) -> None:
        (self._column,) = expressions

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        column, parameters = compiler.compile(self._column)
        return f"({column} = ANY (%s::bigint[]))", [*parameters, self._ids]


def _title(text: str) -> Q:
    return Q(spectrum__title__icontains=text) | Q(spectrum__external_id__icontains=text)


def _review(choice: str) -> Q:
    verdicts = Verdict.objects.filter(annotation=OuterRef("annotation"))
    if choice == "none":
        return Q(~Exists(verdicts), annotation__isnull=False)
    if choice == "any":
        return Q(Exists(verdicts))
    later = Verdict.objects.filter(annotation=OuterRef("annotation"), pk__gt=OuterRef("pk"))
    return Q(Exists(verdicts.filter(~Exists(later), decision=choice)))


def _references(choice: str) -> Q:
    match choice:
        case "disagree":
            return Q(annotation__reference_disagreement__gt=0)
        case "agree":
            return Q(annotation__reference_disagreement__lte=0)
        case _:
            return Q(annotation__isnull=False, annotation__reference_disagreement=None)


def _adduct(text: str) -> Q:
    """Of the search, or of the file where there was no search."""
    return Q(annotation__adduct=text) | Q(annotation=None, feature__adduct=text)


def _formula(atoms: str) -> Q:
    """The atoms, with any charge: the molecule of a permanent ion has one in its formula."""
    return Q(annotation__top_molecule__formula__in=stored_formulas(atoms))


_CONDITIONS: dict[str, Callable[[Any], Q]] = {
    "q": _title,
    "state": lambda state: Q(state=state),
    "review": _review,
    "sure": lambda choice: certainty_condition(choice, "annotation__"),
    "references": _references,
    "mz_from": lambda mz: Q(feature__precursor_mz__gte=mz),
    "mz_to": lambda mz: Q(feature__precursor_mz__lte=mz),
    "time_from": lambda seconds: Q(feature__retention_time_s__gte=seconds),
    "time_to": lambda seconds: Q(feature__retention_time_s__lte=seconds),
    "adduct": _adduct,
    "formula": _formula,
    "file": lambda upload: Q(feature__upload=upload),
    "sample": lambda name: Q(feature__upload__sample=name),
}
