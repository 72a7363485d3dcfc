"""Import a structure file as a new version of a library. A failed version keeps the reason of the failure."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import rdkit
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Max
from django.db.models.functions import Collate
from django.utils import timezone

from annotation.accounts.models import Project
from annotation.checkpoints.models import ModelVersion
from annotation.libraries import embed, import_lock, staging
from annotation.libraries.import_notes import ImportNotes, note_lines
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

ShowProgress = Callable[[int], None]  # takes the number of rows or spectra so far

log = logging.getLogger(__name__)


class CannotImport(Exception):
    """No version was created. The message says what is wrong and how to fix it."""


def import_library(
    name: str,
    path: Path,
    *,
    user: User | None = None,
    project: Project | None = None,
    description: str = "",
    license: str = "",
    progress: ShowProgress | None = None,
) -> LibraryVersion:
    """Add a version to the library with the name. The version is READY, or FAILED with the reason.

    Earlier versions stay. At most a few thousand rows are in memory. Workers embed a ready version for the
    default model. Its `import_notes` say what was changed or assumed in rows that are used. Raises
    CannotImport if a library of another project has the name.
    """
    version = _new_version(name, path, user, project, {"description": description, "license": license})
    try:
        with import_lock.held(version.pk):
            importer = _Import(version, progress)
            report = importer.run(path)
    except UnreadableFile as refusal:
        return _fail(version, str(refusal))
    except BaseException as error:
        # A bug, a full disk or Ctrl-C. Without this the version would stay in the state IMPORTING.
        _fail(version, f"The import stopped: {type(error).__name__}: {error}. Import the file again.")
        raise
    for line in note_lines(importer.notes.rows(), "row"):
        log.info("Import of %s: %s", version, line)
    for field, value in report.items():
        setattr(version, field, value)
    version.state, version.finished_at = LibraryVersion.State.READY, timezone.now()
    with transaction.atomic():
        version.save()
        outbox.emit(EventKind.LIBRARY_PUBLISHED, [_event(version)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE annotation_molecule, annotation_libraryentry")
    if default := ModelVersion.objects.default():
        embed.request_embedding(version, default)
    return version


class _Import:
    """Stores and counts the rows of one file in one version."""

    def __init__(self, version: LibraryVersion, progress: ShowProgress | None) -> None:
        self.version = version
        self.progress = progress
        self.n_rows = self.n_molecules = self.n_rejected = 0
        self.notes = ImportNotes()

    def run(self, path: Path) -> dict[str, object]:
        """The fields of the ready version. Raises UnreadableFile."""
        rows: list[StandardRow] = []
        issues: list[StructureIssue] = []
        for row in standardised_rows(path, limits=_limits()):
            self._count(row)
            self.notes.add_row(row)
            if isinstance(row, StructureIssue):
                issues.append(row)
            else:
                rows.append(row)
            if len(rows) + len(issues) >= ROWS_AT_ONCE:
                self._store(rows, issues)
                rows, issues = [], []
        self._store(rows, issues)
        if self.n_molecules == 0:
            raise UnreadableFile(
                f"None of its {self.n_rows:,} rows is a usable structure. The report has the reasons",
                path.name,
                "Check that the file contains SMILES, InChI or molfiles, and check its column headings.",
            )
        return {
            "content_sha256": content_sha256(self.version),
            "n_rows": self.n_rows,
            "n_molecules": self.n_molecules,
            "n_merged": self.n_rows - self.n_rejected - self.n_molecules,
            "n_rejected": self.n_rejected,
            "rdkit_version": rdkit.__version__,
            "import_notes": self.notes.rows(),
        }

    def _count(self, row: StandardRow | StructureIssue) -> None:
        self.n_rows += 1
        if self.n_rows > settings.GLMR_MAX_LIBRARY_ROWS:
            raise UnreadableFile(
                f"The file has more than {settings.GLMR_MAX_LIBRARY_ROWS:,} rows",
                row.position,
                "Split it into several libraries, or ask the administrator to raise GLMR_MAX_LIBRARY_ROWS.",
            )

    def _store(self, rows: list[StandardRow], issues: list[StructureIssue]) -> None:
        if rows:
            self.n_molecules += staging.add_rows(self.version.pk, rows)
        room = max(0, MAX_STORED_ISSUES - self.n_rejected)
        LibraryRowIssue.objects.bulk_create(_issue_row(self.version, issue) for issue in issues[:room])
        self.n_rejected += len(issues)
        if self.progress is not None:
            self.progress(self.n_rows)


def content_sha256(version: LibraryVersion) -> str:
    """SHA-256 over the sorted first blocks, one per line. Equal hash, equal candidates."""
    blocks = LibraryEntry.objects.filter(version=version).values_list(
        "molecule__inchikey_first_block", flat=True
    )
    digest = hashlib.sha256()
    for block in blocks.order_by(Collate("molecule__inchikey_first_block", "C")).iterator(chunk_size=10_000):
        digest.update(f"{block}\n".encode())
    return digest.hexdigest()


def _new_version(
    name: str, path: Path, user: User | None, project: Project | None, description: dict[str, str]
) -> LibraryVersion:
    with path.open("rb") as stream:
        source_sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    with transaction.atomic():
        # Version numbers are assigned under a lock of the library's row.
        Library.objects.get_or_create(name=name, defaults={"project": project, **description})
        library = Library.objects.select_for_update().get(name=name)
        if library.project != project:
            owner = f"project {library.project}" if library.project else "all projects"
            raise CannotImport(f"A library {name!r} exists and belongs to {owner}. Choose another name.")
        for unfinished in library.versions.filter(state=LibraryVersion.State.IMPORTING):
            if not import_lock.is_held(unfinished.pk):
                _fail(unfinished, "The process of the import ended too early. Import the file again.")
        last = library.versions.aggregate(last=Max("number"))["last"] or 0
        return LibraryVersion.objects.create(
            library=library,
            number=last + 1,
            source_file_name=clean(path.name, 255),
            source_sha256=source_sha256,
            imported_by=user,
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
