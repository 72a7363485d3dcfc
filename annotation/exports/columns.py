"""The columns of the exports, derived from the fields of `ResultView` that declare a `Column`.

A result has three kinds of columns: those of its job, those of its spectrum and annotation, and those of one
candidate. `COLUMNS` is the order in the CSV file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from annotation.results.view import CandidateView, JobView, ResultView
from annotation.results.view_fields import Column, ViewField, follower, view_fields

Cell = str | int | float | bool | datetime | UUID | tuple[str, ...] | dict[str, float] | None

# The columns of release 0.1 in their order, which clients may rely on. Do not add to this list: columns that
# are not in it follow by themselves, in the order of the views.
RELEASE_0_1 = (
    "position", "external_id", "title", "state", "error_code", "error", "precursor_mz", "charge",
    "retention_time_s", "collision_energy", "adduct", "adduct_assumed", "neutral_mass", "n_in_window",
    "n_candidates", "method", "p_right", "p_close", "p_absent", "abstains", "proposed_smiles", "rank", "name",
    "smiles", "inchikey_first_block", "formula", "exact_mass", "mass_error_ppm", "retrieval_rank",
    "embedding_similarity", "generated_similarity", "probability", "evidence", "proposed_level",
    "verdict_decision", "verdict_smiles", "verdict_level", "verdict_by", "verdict_at", "verdict_reason",
    "verdict_comment", "annotation_id", "job_id", "job_external_id", "library", "library_version",
    "library_sha256", "references", "references_version", "references_sha256", "model", "checkpoint_sha256",
    "ranking_sha256", "params_sha256", "code_version", "rdkit_version", "preprocessing_version",
    "spectrum_license", "splash",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExportColumn:
    """One column. `empty` is the cell where there is no value."""

    name: str
    read: Callable[[object], Any]
    read_fallback: Callable[[object], Any] | None
    empty: Cell

    def cell(self, view: object) -> Cell:
        """The value in a view, which may be None."""
        value: Cell = None if view is None else self.read(view)
        if value is None and self.read_fallback is not None:
            value = self.read_fallback(view)
        return self.empty if value is None else value


def _columns(view: Any, prefix: str = "") -> Iterator[ExportColumn]:
    """The columns of a view and of the views nested in it, but neither of its lists nor of its job."""
    for field in view_fields(view):
        if is_dataclass(field.type) and field.type is not JobView:
            yield from _columns(field.type, f"{prefix}{field.name}.")
        elif field.column is not None:
            yield _column(field, field.column, prefix)


def _column(field: ViewField, column: Column, prefix: str) -> ExportColumn:
    fallback = follower(column.fallback) if column.fallback else None
    return ExportColumn(column.name or field.name, follower(prefix + field.name), fallback, _empty(field))


def _empty(field: ViewField) -> Cell:
    """A missing text is empty, a missing number is None."""
    if field.type in (str, UUID):
        return ""
    return () if field.type == tuple[str, ...] else None


JOB_COLUMNS = tuple(_columns(JobView))
CANDIDATE_COLUMNS = tuple(_columns(CandidateView))
SPECTRUM_COLUMNS = tuple(_columns(ResultView))
_NAMES = tuple(column.name for column in (*SPECTRUM_COLUMNS, *CANDIDATE_COLUMNS, *JOB_COLUMNS))
COLUMNS = (*RELEASE_0_1, *(name for name in _NAMES if name not in RELEASE_0_1))
