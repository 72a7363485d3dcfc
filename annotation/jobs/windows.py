"""Which masses a job will search: noted while its library is being embedded, so that those come first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from django.db.models.functions import Now

from annotation.jobs.models import Job, JobWindow
from annotation.spectra.models import Spectrum
from models_ml.outcomes import AnnotateParams
from models_ml.spectra import spectrum as exchange
from models_ml.spectra.precursor_window import PrecursorWindow, mass_window

_NO_PEAKS = np.empty(0)
# What a window depends on; peaks stay in the database.
_COLUMNS = ("precursor_mz", "charge", "adduct", "ion_mode")


def note(job: Job, params: AnnotateParams) -> None:
    """Store the job's windows, in the transaction that makes it. A job that searches nothing may start."""
    rows = Spectrum.objects.filter(job_items__job=job).values_list(*_COLUMNS).iterator(chunk_size=10_000)
    windows = list(merged(_windows(rows, params)))
    JobWindow.objects.bulk_create(
        (JobWindow(job=job, lowest=lowest, highest=highest) for lowest, highest in windows), batch_size=5_000
    )
    if not windows:
        Job.objects.filter(pk=job.pk).update(windows_embedded_at=Now())


def merged(windows: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The same masses as disjoint windows, lightest first."""
    reached: tuple[float, float] | None = None
    for lowest, highest in sorted(windows):
        if reached is None:
            reached = (lowest, highest)
        elif lowest <= reached[1]:
            reached = (reached[0], max(reached[1], highest))
        else:
            yield reached
            reached = (lowest, highest)
    if reached is not None:
        yield reached


def _windows(rows: Iterable[tuple[object, ...]], params: AnnotateParams) -> Iterator[tuple[float, float]]:
    """As `annotate` will ask; a spectrum of which nothing can be asked has none."""
    for row in rows:
        fields = {name: value or None for name, value in zip(_COLUMNS, row, strict=True)}
        spectrum = exchange.Spectrum(mz=_NO_PEAKS, intensity=_NO_PEAKS, **fields)  # type: ignore[arg-type]
        window = mass_window(spectrum, params)
        if isinstance(window, PrecursorWindow):
            yield window.neutral_mass - window.tolerance_da, window.neutral_mass + window.tolerance_da
