"""What a job's features look like together: the numbers of its plots, which the database counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, F, Max, Min, Q, QuerySet, Value
from django.db.models.functions import Floor

from annotation.jobs.models import Job, JobItem
from annotation.jobs.parameters import from_json
from annotation.libraries.models import Molecule
from annotation.results.compound_names import compound_labels
from annotation.results.models import Annotation
from annotation.spectra.models import Upload

N_PROBABILITY_BINS = 10
N_ERROR_BINS = 20
MAP_COLUMNS, MAP_ROWS = 72, 36
MAX_COMPOUNDS, MAX_SAMPLES = 25, 20
LIKELY = 0.75
# A run is off calibration if the errors of likely answers centre far from 0, as a share of the tolerance.
# Fewer answers than this say nothing about a run.
LARGEST_MEDIAN = 0.3
FEWEST_LIKELY = 20


@dataclass(frozen=True, slots=True)
class Bin:
    """A range of values, from `low` to below `high`, and how many features it has."""

    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Confidence:
    bins: list[Bin]  # of features with at least two candidates
    n_only_candidate: int
    n_without: int  # no probability


@dataclass(frozen=True, slots=True)
class MassErrors:
    """Of rank 1, in ppm: measured minus theoretical."""

    bins: list[Bin]
    tolerance_ppm: float
    n_likely: int  # features whose rank 1 is likely
    median_ppm: float | None  # of those

    @property
    def is_off_calibration(self) -> bool:
        if self.median_ppm is None or self.n_likely < FEWEST_LIKELY:
            return False
        return abs(self.median_ppm) > LARGEST_MEDIAN * self.tolerance_ppm


@dataclass(frozen=True, slots=True)
class MapCell:
    """The features of a small range of retention time and precursor m/z."""

    column: int
    row: int
    n: int
    position: int  # of the first of them in the job
    p_right: float | None  # the largest


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """`MAP_COLUMNS` ranges of retention time (s) by `MAP_ROWS` ranges of precursor m/z."""

    times: tuple[float, float]
    masses: tuple[float, float]
    cells: list[MapCell]
    n_without_time: int

    def time_at(self, column: float) -> float:
        return self.times[0] + (self.times[1] - self.times[0]) * column / MAP_COLUMNS

    def mass_at(self, row: float) -> float:
        return self.masses[0] + (self.masses[1] - self.masses[0]) * row / MAP_ROWS


@dataclass(frozen=True, slots=True)
class Compound:
    name: str
    formula: str
    n: list[int]  # features with this rank 1, by sample


@dataclass(frozen=True, slots=True)
class Matrix:
    samples: list[Upload]
    compounds: list[Compound]
    n_samples: int  # of the job; at most MAX_SAMPLES are shown


def count_states(items: QuerySet[JobItem]) -> list[tuple[JobItem.State, int]]:
    """States that occur, in the order of their declaration. One query."""
    counts = dict(items.order_by().values_list("state").annotate(n=Count("pk")))
    return [(state, counts[state]) for state in JobItem.State if counts.get(state)]


def count_confidence(annotations: QuerySet[Annotation]) -> Confidence:
    """One query."""
    rows = (
        annotations.order_by()
        .values(bin=Floor(F("p_right") * N_PROBABILITY_BINS))
        .annotate(
            n=Count("pk", filter=~Q(n_candidates=1)),
            n_only=Count("pk", filter=Q(n_candidates=1)),
        )
    )
    counts, n_only, n_without = [0] * N_PROBABILITY_BINS, 0, 0
    for row in rows:
        if row["bin"] is None:
            n_without += row["n"] + row["n_only"]
        else:
            counts[min(int(row["bin"]), N_PROBABILITY_BINS - 1)] += row["n"]
            n_only += row["n_only"]
    width = 1 / N_PROBABILITY_BINS
    bins = [Bin(index * width, (index + 1) * width, n) for index, n in enumerate(counts)]
    return Confidence(bins, n_only, n_without)


def count_mass_errors(job: Job, annotations: QuerySet[Annotation]) -> MassErrors:
    """One query, which also returns the errors of likely answers: 8 bytes for each, for their median."""
    tolerance = from_json(job.params).precursor_tolerance_ppm
    width = 2 * tolerance / N_ERROR_BINS
    error = F("candidates__mass_error_ppm")
    rows = (
        annotations.filter(candidates__rank=1)
        .order_by()
        .values(bin=Floor((error + tolerance) / width))
        .annotate(
            n=Count("pk"),
            likely=ArrayAgg(error, filter=Q(p_right__gte=LIKELY, n_candidates__gt=1), default=Value([])),
        )
    )
    counts, likely = [0] * N_ERROR_BINS, list[float]()
    for row in rows:
        counts[max(0, min(int(row["bin"]), N_ERROR_BINS - 1))] += row["n"]
        likely += row["likely"]
    return MassErrors(
        bins=[Bin(i * width - tolerance, (i + 1) * width - tolerance, n) for i, n in enumerate(counts)],
        tolerance_ppm=tolerance,
        n_likely=len(likely),
        median_ppm=median(likely) if likely else None,
    )


def map_features(items: QuerySet[JobItem]) -> FeatureMap | None:
    """None without retention times. Two queries."""
    time, mass = F("feature__retention_time_s"), F("feature__precursor_mz")
    found = items.order_by().aggregate(
        n=Count("pk"),
        n_with=Count("pk", filter=Q(feature__retention_time_s__isnull=False)),
        time_low=Min(time), time_high=Max(time), mass_low=Min(mass), mass_high=Max(mass),
    )  # fmt: skip
    if not found["n_with"] or found["mass_low"] is None:
        return None
    times, masses = (
        _widened(found["time_low"], found["time_high"]),
        _widened(found["mass_low"], found["mass_high"]),
    )
    rows = (
        items.filter(feature__retention_time_s__isnull=False, feature__precursor_mz__isnull=False)
        .order_by()
        .values(column=_cell(time, times, MAP_COLUMNS), row=_cell(mass, masses, MAP_ROWS))
        .annotate(n=Count("pk"), position=Min("position"), p_right=Max("annotation__p_right"))
    )
    cells = [
        MapCell(int(row["column"]), int(row["row"]), row["n"], row["position"], row["p_right"])
        for row in rows
    ]
    return FeatureMap(times, masses, cells, found["n"] - found["n_with"])


def sample_matrix(job: Job, items: QuerySet[JobItem]) -> Matrix | None:
    """The likely compounds in most files, by file. None for a job of one file. Four queries at most."""
    samples = list(Upload.objects.of_job(job.pk).order_by("file_name", "pk"))
    if len(samples) < 2:
        return None
    likely = items.filter(annotation__p_right__gte=LIKELY, annotation__n_candidates__gt=1).order_by()
    molecule, upload = "annotation__top_molecule", "feature__upload"
    frequent = (
        likely.values_list(molecule)
        .annotate(n_samples=Count(upload, distinct=True), n=Count("pk"))
        .order_by("-n_samples", "-n", molecule)
    )
    ids = [pk for pk, _, _ in frequent[:MAX_COMPOUNDS]]
    counted = likely.filter(annotation__top_molecule__in=ids).values_list(molecule, upload)
    counts = {(row[0], row[1]): row[2] for row in counted.annotate(n=Count("pk"))}
    shown = samples[:MAX_SAMPLES]
    molecules = Molecule.objects.defer("fingerprint").in_bulk(ids)
    names = compound_labels(job.library_version_id, ids)
    return Matrix(
        samples=shown,
        compounds=[
            Compound(
                names.get(pk) or molecules[pk].inchikey_first_block,
                molecules[pk].formula,
                [counts.get((pk, sample.pk), 0) for sample in shown],
            )
            for pk in ids
        ],
        n_samples=len(samples),
    )


def _widened(low: float, high: float) -> tuple[float, float]:
    """A range with room at both ends, so that no value is on its edge."""
    room = (high - low) * 0.01 or 1.0
    return low - room, high + room


def _cell(value: Any, ends: Sequence[float], n_cells: int) -> Any:
    return Floor((value - ends[0]) * (n_cells / (ends[1] - ends[0])))
