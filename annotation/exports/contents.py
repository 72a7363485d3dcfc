"""What an export holds, handed to the writer of each format: results in order, in rounds of few queries."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from annotation.exports.columns import COLUMNS, JOB_COLUMNS, Cell
from annotation.exports.models import Export
from annotation.exports.selection import selected
from annotation.exports.snapshot import Snapshot, snapshot_of
from annotation.exports.table import result_cells
from annotation.exports.ties import n_tied
from annotation.jobs.models import Job, JobItem
from annotation.results.load import items_with_results
from annotation.results.view import JobView, ResultView
from annotation.results.view_fields import from_row
from annotation.review.reviewed_results import reviewed_results
from annotation.spectra.models import Spectrum
from glmr_server import __version__

# Enough that queries cost little, few enough that memory stays flat, with peaks too.
FEATURES_PER_ROUND = 250
# Behind the columns of the CSV download, which clients know.
_OWN_COLUMNS = ("margin", "n_tied")
EXPORT_COLUMNS = (*COLUMNS, *(name for name in _OWN_COLUMNS if name not in COLUMNS))


class CannotBuild(Exception):
    """The export cannot be built, and another attempt cannot help. Says how to fix it."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The features of one export. Must be used inside `snapshot.held`, so that all passes see the same."""

    export: Export
    snapshot: Snapshot
    positions: Sequence[int]  # in the job, in the order of submission
    on_round: Callable[[], object]  # called between queries; raises to stop the work

    @property
    def job(self) -> Job:
        return self.export.job

    @property
    def n_features(self) -> int:
        return len(self.positions)

    def rounds(self) -> Iterator[list[tuple[JobItem, ResultView]]]:
        """Items with their results, some hundred at a time. Six queries each."""
        for start in range(0, len(self.positions), FEATURES_PER_ROUND):
            self.on_round()
            positions = list(self.positions[start : start + FEATURES_PER_ROUND])
            items = list(items_with_results(self.job).filter(position__in=positions).order_by("position"))
            results = reviewed_results(self.job, items, top=self.export.top, with_ties=True)
            yield list(zip(items, results, strict=True))

    def results(self) -> Iterator[ResultView]:
        for found in self.rounds():
            for _, result in found:
                yield result

    def with_spectra(self) -> Iterator[tuple[Spectrum, ResultView]]:
        """Results with the representative spectrum, which has its peaks. One query more in each round."""
        for found in self.rounds():
            spectra = Spectrum.objects.in_bulk([item.spectrum_id for item, _ in found])
            for item, result in found:
                yield spectra[item.spectrum_id], result

    def rows(self) -> Iterator[dict[str, Cell]]:
        """The table: each feature once for each candidate, or once without."""
        for result in self.results():
            yield from feature_rows(result)

    def facts(self) -> dict[str, Cell]:
        """What the export is and where it comes from, by name."""
        return {
            "export_id": self.export.public_id,
            "snapshot_id": self.snapshot.id,
            "snapshot_at": self.snapshot.taken_at,
            "filter": self.export.filter or "none",
            "n_features": self.n_features,
            "candidates_per_feature": self.export.top,
            "exported_by": self.export.requested_by.username,
            "job_name": self.job.name,
            "project": self.job.project.name,
            "submitted_at": self.job.created_at,
            "server_version": __version__,
            **{column.name: column.cell(self.job_view()) for column in JOB_COLUMNS},
        }

    def job_view(self) -> JobView:
        return from_row(JobView, self.job)


def contents_of(export: Export, on_round: Callable[[], object] = int) -> Contents:
    """Raises InvalidFilter."""
    rows = selected(export.job, export.filter).order_by("position").values_list("position", flat=True)
    positions = array("L", rows.iterator(chunk_size=10_000))
    return Contents(export, snapshot_of(export.job), positions, on_round)


def feature_rows(result: ResultView) -> Iterator[dict[str, Cell]]:
    """The rows of one feature, with the columns of EXPORT_COLUMNS."""
    annotation = result.annotation
    candidates = annotation.candidates if annotation else ()
    for cells, candidate in zip(result_cells(result), candidates or (None,), strict=True):
        tied = n_tied(candidate, candidates) if candidate else None
        yield cells | {"margin": annotation.margin if annotation else None, "n_tied": tied}
