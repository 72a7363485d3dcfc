"""Import a structure file as a new version of a library. A failed version keeps the reason of the failure."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Unpack
from urllib.parse import quote

import rdkit
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.db.models.functions import Collate
from django.utils import timezone

from annotation.checkpoints.models import ModelVersion
from annotation.libraries import embed, import_lock, staging
from annotation.libraries.import_notes import ImportNotes, note_lines
from annotation.libraries.import_options import (
    NAME_TAKEN,
    CannotImport,
    ImportedFile,
    ImportOptions,
    ImportStopped,
    ShowProgress,
)
from annotation.libraries.models import Library, LibraryEntry, LibraryRowIssue, LibraryVersion
from annotation.plain_text import clean
from annotation.webhooks import outbox
from annotation.webhooks.models import EventKind
from annotation.webhooks.outbox import Happened
from models_ml.molecules.readers import StandardRow, StructureFileLimits, StructureIssue, standardised_rows
from models_ml.molecules.structure_text import StructureLimits
from models_ml.unreadable import UnreadableFile

ROWS_AT_ONCE = 2_000
# Every rejected row is counted, but a file with only wrong rows need not be stored as issues.
MAX_STORED_ISSUES = 1_000

log = logging.getLogger(__name__)


def import_library(name: str, path: Path, **options: Unpack[ImportOptions]) -> LibraryVersion:
    """Add a version to the library with the name. The version is READY, or FAILED with the reason.

    Earlier versions stay. At most a few thousand rows are in memory. Workers embed a ready version for the
    default model. Its `import_notes` say what was changed or assumed in rows that are used. Raises
    CannotImport if a library of another project has the name, and ImportStopped if the caller does.
    """
    file = ImportedFile.of(path, **options)
    version = _new_version(name, path, file)
    rows = _StoredRows(version)
    try:
        with import_lock.held(version.pk):
            counts = read_rows(path, rows, file.progress)
            _complete(version, counts, file)
    except UnreadableFile as refusal:
        return _fail(version, str(refusal))
    except ImportStopped:
        _fail(version, "The import was stopped.").delete()
        raise
    except BaseException as error:
        # A bug, a full disk or Ctrl-C. Without this the version would stay in the state IMPORTING.
        _fail(version, f"The import stopped: {type(error).__name__}: {error}. Import the file again.")
        raise
    for line in note_lines(counts.notes.rows(), "row"):
        log.info("Import of %s: %s", version, line)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE annotation_molecule, annotation_libraryentry")
    if default := ModelVersion.objects.default():
        embed.request_embedding(version, default)
    return version


class Rows(Protocol):
    """What happens with the rows of a file: they are stored, or only counted."""

    def add(self, rows: Sequence[StandardRow], issues: Sequence[StructureIssue]) -> int:
        """Take rows in the order of the file. Returns how many molecules no earlier row has."""


@dataclass(slots=True)
class RowCounts:
    """What was found in a file."""

    n_rows: int = 0
    n_molecules: int = 0
    n_rejected: int = 0
    n_changed: int = 0  # rows that are used, with at least one note
    notes: ImportNotes = field(default_factory=ImportNotes)

    @property
    def n_merged(self) -> int:
        return self.n_rows - self.n_rejected - self.n_molecules


def read_rows(path: Path, target: Rows, progress: ShowProgress) -> RowCounts:
    """Read the whole file in the bounded child process, and pass its rows on. Raises UnreadableFile."""
    counts = RowCounts()
    rows: list[StandardRow] = []
    issues: list[StructureIssue] = []

    def pass_on() -> None:
        counts.n_molecules += target.add(rows, issues)
        counts.n_rejected += len(issues)
        rows.clear()
        issues.clear()
        progress(counts.n_rows)

    for row in standardised_rows(path, limits=_limits()):
        counts.n_rows += 1
        _check_number(counts.n_rows, row.position)
        counts.notes.add_row(row)
        if isinstance(row, StructureIssue):
            issues.append(row)
        else:
            counts.n_changed += bool(row.notes)
            rows.append(row)
        if len(rows) + len(issues) >= ROWS_AT_ONCE:
            pass_on()
    pass_on()
    if counts.n_molecules == 0:
        raise UnreadableFile(
            f"None of its {counts.n_rows:,} rows is a usable structure. The report has the reasons",
            path.name,
            "Check that the file contains SMILES, InChI or molfiles, and check its column headings.",
        )
    return counts


def _check_number(n_rows: int, position: str) -> None:
    if n_rows > settings.GLMR_MAX_LIBRARY_ROWS:
        raise UnreadableFile(
            f"The file has more than {settings.GLMR_MAX_LIBRARY_ROWS:,} rows",
            position,
            "Split it into several libraries, or ask the administrator to raise GLMR_MAX_LIBRARY_ROWS.",
        )


class _StoredRows:
    """Stores the rows in one version."""

    def __init__(self, version: LibraryVersion) -> None:
        self.version = version
        self.n_issues = 0

    def add(self, rows: Sequence[StandardRow], issues: Sequence[StructureIssue]) -> int:
        n_new = staging.add_rows(self.version.pk, rows) if rows else 0
        room = max(0, MAX_STORED_ISSUES - self.n_issues)
        LibraryRowIssue.objects.bulk_create(_issue_row(self.version, issue) for issue in issues[:room])
        self.n_issues += len(issues)
        return n_new


def _complete(version: LibraryVersion, counts: RowCounts, file: ImportedFile) -> None:
    """From now on the version never changes."""
    with transaction.atomic():
        version.content_sha256 = content_sha256(version)
        version.n_rows, version.n_molecules = counts.n_rows, counts.n_molecules
        version.n_merged, version.n_rejected = counts.n_merged, counts.n_rejected
        version.rdkit_version = rdkit.__version__
        version.import_notes = counts.notes.rows()
        version.state, version.finished_at = LibraryVersion.State.READY, timezone.now()
        version.save()
        outbox.emit(EventKind.LIBRARY_PUBLISHED, [_event(version)])
        file.on_ready(version)


def content_sha256(version: LibraryVersion) -> str:
    """SHA-256 over the sorted first blocks, one per line. Equal hash, equal candidates."""
    blocks = LibraryEntry.objects.filter(version=version).values_list(
        "molecule__inchikey_first_block", flat=True
    )
    digest = hashlib.sha256()
    for block in blocks.order_by(Collate("molecule__inchikey_first_block", "C")).iterator(chunk_size=10_000):
        digest.update(f"{block}\n".encode())
    return digest.hexdigest()


def _new_version(name: str, path: Path, file: ImportedFile) -> LibraryVersion:
    with path.open("rb") as stream:
        source_sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    with transaction.atomic():
        # Version numbers are assigned under a lock of the library's row.
        Library.objects.get_or_create(name=name, defaults=file.of_owner)
        library = Library.objects.select_for_update().get(name=name)
        if library.project != file.project:
            raise CannotImport(NAME_TAKEN.format(name=name))
        for unfinished in library.versions.filter(state=LibraryVersion.State.IMPORTING):
            if not import_lock.is_held(unfinished.pk):
                _fail(unfinished, "The process of the import ended too early. Import the file again.")
        last = library.versions.aggregate(last=Max("number"))["last"] or 0
        return LibraryVersion.objects.create(
            library=library,
            number=last + 1,
            source_sha256=source_sha256,
            imported_by=file.user,
            **file.of_version,
        )


def _event(version: LibraryVersion) -> Happened:
    library = version.library
    data = {
        "library": library.name,
        "version": version.number,
        "url": outbox.page_address(f"api/v1/libraries/{quote(library.name)}/versions/{version.number}"),
        "n_molecules": version.n_molecules,
        "content_sha256": version.content_sha256,
        "shared": library.project_id is None,
    }
    return Happened(library.project_id, data)


def _fail(version: LibraryVersion, reason: str) -> LibraryVersion:
    """Mark the version as failed and delete its entries. Molecules stay, even if no library has them."""
    with transaction.atomic():
        LibraryEntry.objects.filter(version=version).delete()
        version.state, version.failure, version.finished_at = (
            LibraryVersion.State.FAILED,
            clean(reason),
            timezone.now(),
        )
        version.save()
    return version


def _limits() -> StructureFileLimits:
    return StructureFileLimits(
        max_decompressed_bytes=settings.GLMR_MAX_DECOMPRESSED_BYTES,
        structure=StructureLimits(max_heavy_atoms=settings.GLMR_MAX_ATOMS_PER_MOLECULE),
    )


def _issue_row(version: LibraryVersion, issue: StructureIssue) -> LibraryRowIssue:
    return LibraryRowIssue(
        version=version,
        row_number=issue.row_number,
        position=clean(issue.position, 200),
        code=clean(issue.code, 40),
        reason=clean(issue.reason),
        remedy=clean(issue.remedy),
        text=clean(issue.source_id, 300),
    )
