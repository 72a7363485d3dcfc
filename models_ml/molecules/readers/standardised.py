"""A structure file as standard molecules, read and standardised in a bounded child process.

A row whose structure kills the child becomes that row's issue; the child starts again behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from models_ml.isolation import MIB, IsolationError, run_bounded
from models_ml.molecules.readers.read import read_structures
from models_ml.molecules.readers.rows import (
    DEFAULT_FILE_LIMITS,
    StandardRow,
    StructureFileLimits,
    StructureIssue,
    StructureRow,
)
from models_ml.molecules.standardise import standardise
from models_ml.molecules.structure_text import UnusableStructure
from models_ml.unreadable import UnreadableFile

_MEMORY_BYTES = 1024 * MIB
_SECONDS_A_ROW = 30.0  # a drug takes a millisecond; RDKit has been seen to take for ever on symmetric cages
_DEATHS_ALLOWED = 50  # each costs a new child, a second or a row's whole time
_DEATHS_IN_A_ROW_ALLOWED = 5


def standardised_rows(
    path: Path, *, limits: StructureFileLimits = DEFAULT_FILE_LIMITS, seconds_a_row: float = _SECONDS_A_ROW
) -> Iterator[StandardRow | StructureIssue]:
    """Every row of a structure file, standardised or with its issue, in order and one at a time.

    Raises UnreadableFile as `read_structures` does, and where too many rows stop the reading process.
    """
    done = deaths = deaths_in_a_row = 0
    while True:
        try:
            # Rows travel one by one, so that the row after the last received is the one that killed.
            for row in run_bounded(
                standardise_file,
                path,
                done,
                limits,
                memory_bytes=_MEMORY_BYTES,
                cpu_seconds=None,
                silence_seconds=seconds_a_row,
                batch_size=1,
            ):
                done, deaths_in_a_row = row.row_number, 0
                yield row
            return
        except IsolationError as death:
            deaths, deaths_in_a_row = deaths + 1, deaths_in_a_row + 1
            if deaths > _DEATHS_ALLOWED or deaths_in_a_row > _DEATHS_IN_A_ROW_ALLOWED:
                raise UnreadableFile(
                    f"Too many structures stop the reading process, the last time so: {death}",
                    f"{path.name}, row {done + 1:,}",
                    "Leave very large or unusual structures out.",
                ) from death
            done += 1
            yield _fatal_issue(path, done, limits, death)


def standardise_file(
    path: Path, after_row: int, limits: StructureFileLimits
) -> Iterator[StandardRow | StructureIssue]:
    """The child's part: rows behind `after_row`. Runs RDKit on untrusted text in this very process."""
    for row in read_structures(path, limits=limits):
        if row.row_number > after_row:
            yield row if isinstance(row, StructureIssue) else _standard_row(row, limits)


def _standard_row(row: StructureRow, limits: StructureFileLimits) -> StandardRow | StructureIssue:
    try:
        molecule = standardise(row.structure, limits=limits.structure)
    except UnusableStructure as refusal:
        return StructureIssue(
            row.row_number, row.position, refusal.code, refusal.reason, refusal.remedy, row.source_id
        )
    return StandardRow(row.row_number, row.position, molecule, row.source_id, row.name)


def _fatal_issue(
    path: Path, row_number: int, limits: StructureFileLimits, death: IsolationError
) -> StructureIssue:
    """The issue of a row that killed its child, with its place in the file where that can be read."""
    issue = StructureIssue(
        row_number,
        f"row {row_number:,}",
        f"stopped_{death.kind}",
        f"The structure could not be processed. {death}",
        "Leave the structure out, or draw it in a simpler way.",
    )
    try:
        for row in run_bounded(_one_row, path, row_number, limits):
            return replace(issue, position=row.position, source_id=row.source_id)
    except (IsolationError, UnreadableFile):
        pass  # the row number alone must do
    return issue


def _one_row(
    path: Path, row_number: int, limits: StructureFileLimits
) -> Iterator[StructureRow | StructureIssue]:
    return islice(read_structures(path, limits=limits), row_number - 1, row_number)
