"""The masses that a job searches, stored while its library is being embedded, so that these come first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models.functions import Now

from annotation.jobs.models import Job, JobWindow
from annotation.spectra.ions import Ion
from annotation.spectra.models import Feature
from models_ml.outcomes import AnnotateParams
from models_ml.spectra.precursor_window import PrecursorWindow

# The columns that a window depends on. Peaks are not read.
_COLUMNS = ("precursor_mz", "charge", "adduct", "ion_mode", "proposed_adduct")


def store_windows(job: Job, params: AnnotateParams) -> None:
    """Store the windows of a new job, in the transaction that creates it. A job without windows can start."""
    features = Feature.objects.filter(job_items__job=job)
    rows = features.values_list(*_COLUMNS).iterator(chunk_size=10_000)
    windows = list(merged(_windows(rows, params)))
    JobWindow.objects.bulk_create(
        (JobWindow(job=job, lowest=lowest, highest=highest) for lowest, highest in windows), batch_size=5_000
    )
    if not windows:
        Job.objects.filter(pk=job.pk).update(windows_embedded_at=Now())


def merged(windows: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Disjoint windows with the same masses, lightest first."""
    current: tuple[float, float] | None = None
    for lowest, highest in sorted(windows):
        if current is None:
            current = (lowest, highest)
        elif lowest <= current[1]:
            current = (current[0], max(current[1], highest))
        else:
            yield current
            current = (lowest, highest)
    if current is not None:
        yield current


def _windows(rows: Iterable[tuple[Any, ...]], params: AnnotateParams) -> Iterator[tuple[float, float]]:
    """The windows that `annotate` will search. A feature that it cannot search with has none."""
    for row in rows:
        window = Ion(*row).window(params)
        if isinstance(window, PrecursorWindow):
            for mass in (window.neutral_mass, window.zwitterion_mass):
                if mass is not None:
                    yield mass - window.tolerance_da, mass + window.tolerance_da
