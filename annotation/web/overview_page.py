"""The overview of a job: its plots, and the links from their parts to lists of features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from django.urls import reverse
from django.utils.safestring import SafeString

from annotation.jobs.models import Job, JobItem
from annotation.tables import overview
from annotation.tables.filter_form import ResultFilter
from annotation.tables.matching import matching_annotations, matching_items
from annotation.tables.overview import LIKELY, MAP_COLUMNS, MAP_ROWS, Bin, FeatureMap, MapCell
from annotation.tables.recent import RecentAnswers
from annotation.web.charts import Column, Point, column_chart, point_map

# Rows of the table beside the map.
N_TIME_RANGES = 12
# Overviews that are remembered; one with a full map has about 1 MB.
MAX_REMEMBERED = 16


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of the table beside a plot. `href` opens its features; empty for none."""

    label: str
    n: int
    href: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture and the headings and rows of the table beside it."""

    heading: str
    picture: SafeString
    rows: list[TableRow]
    first: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class OverviewPage:
    n_features: int
    states: Plot
    confidence: Plot
    n_only_candidate: int
    n_without: int
    errors: overview.MassErrors
    error_plot: Plot
    map_plot: Plot | None
    n_without_time: int
    matrix: overview.Matrix | None = None


def load_overview(job: Job, chosen: ResultFilter) -> OverviewPage:
    """Nine queries at most; four if nothing changed since the last time, in this process.

    Raises InvalidFilter for a bad substructure.
    """
    # Items and verdicts change the time of their job in the same transaction. The job was read first, so
    # the plots are never older than the key.
    key = (job.pk, job.updated_at, chosen.query)
    page = _recent.get(key)
    if page is None:
        page = _load_plots(job, chosen)
        _recent.put(key, page)
    # Names of samples can change at any time.
    return replace(page, matrix=overview.sample_matrix(job, matching_items(job, chosen)))


def _load_plots(job: Job, chosen: ResultFilter) -> OverviewPage:
    """Everything but the matrix. Five queries, and those of a substructure."""
    items, annotations = matching_items(job, chosen), matching_annotations(job, chosen)
    links = _Links(job, chosen)
    states = overview.count_states(items)
    confidence = overview.count_confidence(annotations)
    errors = overview.count_mass_errors(job, annotations)
    feature_map = overview.map_features(items)
    return OverviewPage(
        n_features=sum(n for _, n in states),
        states=_states(states, links),
        confidence=_confidence(confidence.bins),
        n_only_candidate=confidence.n_only_candidate,
        n_without=confidence.n_without,
        errors=errors,
        error_plot=_errors(errors),
        map_plot=_map(feature_map, links) if feature_map else None,
        n_without_time=feature_map.n_without_time if feature_map else 0,
    )


_recent: RecentAnswers[tuple[int, datetime, str], OverviewPage] = RecentAnswers(MAX_REMEMBERED)


class _Links:
    """Addresses of lists within the filter of the overview."""

    def __init__(self, job: Job, chosen: ResultFilter) -> None:
        self._page = reverse("job-detail", args=[job.public_id])
        self._query = chosen.query
        # A map has thousands of links, all with the same names.
        self._starts: dict[tuple[str, ...], str] = {}
        self._feature = reverse("job-feature", args=[job.public_id, 0]).removesuffix("0/")

    def to(self, **values: str | float) -> str:
        """The list with more filters; those of the overview that have the same names are replaced.

        The values need no escapes: they are numbers and stored words.
        """
        names = tuple(values)
        start = self._starts.get(names)
        if start is None:
            kept = [part for part in self._query.split("&") if part and part.split("=")[0] not in values]
            start = self._starts[names] = f"{self._page}?{''.join(f'{part}&' for part in kept)}"
        return f"{start}{'&'.join([f'{name}={value}' for name, value in values.items()])}#spectra"

    def feature(self, position: int) -> str:
        return f"{self._feature}{position + 1}/"


def _states(states: list[tuple[JobItem.State, int]], links: _Links) -> Plot:
    columns = [Column(str(state.label), n, links.to(state=state.value)) for state, n in states]
    alternative = "States of the features. " + _spoken(columns)
    rows = [TableRow(column.label, column.n, column.href) for column in columns]
    return Plot("States", column_chart(columns, alternative, "State"), rows, "State")


def _confidence(bins: list[Bin]) -> Plot:
    ends = [(round(bin.low * 100), round(bin.high * 100)) for bin in bins]
    columns = [
        Column(f"{low}–{high} %", bin.n, tick=f"{low}–{high}")
        for bin, (low, high) in zip(bins, ends, strict=True)
    ]
    alternative = "Probability that rank 1 is right, for features with several candidates. " + _spoken(
        columns
    )
    rows = [TableRow(column.label, column.n) for column in columns]
    picture = column_chart(columns, alternative, "Probability that rank 1 is right (%)")
    return Plot("Probability of rank 1", picture, rows, "Probability")


def _errors(errors: overview.MassErrors) -> Plot:
    columns = [Column(_signed(bin.low), bin.n) for bin in errors.bins]
    alternative = "Mass errors of rank 1 in ppm. " + _spoken(columns)
    rows = [TableRow(f"{_signed(bin.low)} to {_signed(bin.high)} ppm", bin.n) for bin in errors.bins if bin.n]
    picture = column_chart(columns, alternative, "Mass error (ppm); the dashed line is 0", target=0.5)
    return Plot("Mass error of rank 1", picture, rows, "Mass error")


def _map(found: FeatureMap, links: _Links) -> Plot:
    points = [_point(found, cell, links) for cell in found.cells]
    n = sum(cell.n for cell in found.cells)
    alternative = (
        f"Precursor m/z against retention time of {n} features, from {found.times[0]:.0f} to "
        f"{found.times[1]:.0f} s and from m/z {found.masses[0]:.0f} to {found.masses[1]:.0f}."
    )
    picture = point_map(
        points, alternative, (*found.times, "Retention time (s)"), (*found.masses, "Precursor m/z")
    )
    rows = _time_ranges(found, links)
    return Plot("Precursor against retention time", picture, rows, "Retention time", "Precursor m/z")


def _point(found: FeatureMap, cell: MapCell, links: _Links) -> Point:
    time, mass = found.time_at(cell.column + 0.5), found.mass_at(cell.row + 0.5)
    where = f"about {time:.0f} s, m/z {mass:.1f}"
    css = "" if cell.p_right is None else "likely" if cell.p_right >= LIKELY else "unsure"
    x, y = (cell.column + 0.5) / MAP_COLUMNS, (cell.row + 0.5) / MAP_ROWS
    if cell.n == 1:
        title = f"Feature {cell.position + 1}, {where}"
        return Point(x, y, 1, css, title, links.feature(cell.position))
    href = links.to(
        time_from=round(found.time_at(cell.column), 4),
        time_to=round(found.time_at(cell.column + 1), 4),
        mz_from=round(found.mass_at(cell.row), 5),
        mz_to=round(found.mass_at(cell.row + 1), 5),
    )
    return Point(x, y, cell.n, css, f"{cell.n} features, {where}", href)


def _time_ranges(found: FeatureMap, links: _Links) -> list[TableRow]:
    """The map as a table: features by range of retention time."""
    width = MAP_COLUMNS // N_TIME_RANGES
    rows = []
    for start in range(0, MAP_COLUMNS, width):
        cells = [cell for cell in found.cells if start <= cell.column < start + width]
        if not cells:
            continue
        low, high = found.time_at(start), found.time_at(start + width)
        lowest, highest = min(c.row for c in cells), max(c.row for c in cells) + 1
        masses = f"{found.mass_at(lowest):.0f}–{found.mass_at(highest):.0f}"
        href = links.to(time_from=round(low, 4), time_to=round(high, 4))
        rows.append(TableRow(f"{low:.0f}–{high:.0f} s", sum(c.n for c in cells), href, masses))
    return rows


def _spoken(columns: list[Column]) -> str:
    return "; ".join(f"{column.label}: {column.n}" for column in columns if column.n) or "No features."


def _signed(ppm: float) -> str:
    return f"{ppm:+.1f}".replace("-", "\N{MINUS SIGN}")
