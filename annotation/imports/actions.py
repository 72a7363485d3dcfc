"""What callers do with imports: request one, publish it, discard it. Who may do that is decided here."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.files import File
from django.db import transaction
from django.db.models import Max, QuerySet

from annotation.accounts.models import Project, Role
from annotation.accounts.roles import may
from annotation.imports import ledger
from annotation.imports.models import VersionImport, VersionImportQuerySet
from annotation.jobs.selection import NO_REFERENCES
from annotation.libraries.import_options import NAME_TAKEN
from annotation.libraries.models import Library, LibraryVersion
from annotation.plain_text import clean
from annotation.references.models import ReferenceCollection, ReferenceVersion
from annotation.spectra import partial
from annotation.spectra.models import PartialUpload

# More files of one person would only fill the disk.
MAX_UNFINISHED = 5

Kind = VersionImport.Kind
Store = Callable[[Path], int]  # moves or copies the file to the path; returns its bytes


class CannotRequest(Exception):
    """The import was not requested. `field` names the part of the request, `reason` says how to fix it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def owners(user: User) -> QuerySet[Project]:
    """The projects for which the person may import: those that it manages."""
    return Project.objects.visible_to(user, Role.MANAGER)


def may_import(user: User, project: Project | None) -> bool:
    """For a project its managers; for all projects administrators. At most one query."""
    return user.is_superuser if project is None else may(user, project, Role.MANAGER)


def visible(projects: QuerySet[Project], *, is_administrator: bool) -> VersionImportQuerySet:
    """Imports for these projects, and for an administrator those for all projects too."""
    rows = VersionImport.objects
    return rows.usable_in(projects) if is_administrator else rows.filter(project__in=projects)


def from_part(part: PartialUpload) -> Store:
    """The file of a complete upload in parts, which ends. `store` raises partial.WrongOffset."""
    return lambda target: partial.move(part, target)


def from_file(file: File[Any]) -> Store:
    def copy(target: Path) -> int:
        with target.open("wb") as stream:
            for chunk in file.chunks():
                stream.write(chunk)
        return target.stat().st_size

    return copy


def request_import(
    *,
    kind: str,
    name: str,
    project: Project | None,
    user: User,
    store: Store,
    file_name: str,
    license: str,
    source: str,
    description: str = "",
    publish_at_once: bool = False,
) -> VersionImport:
    """Keep the file and let a worker check it. Raises CannotRequest. The caller has checked `may_import`."""
    row = VersionImport(
        kind=kind,
        name=clean(name, 120),
        project=project,
        requested_by=user,
        published_by=user if publish_at_once else None,
        file_name=clean(file_name, 255) or "unnamed",
        license=clean(license, 200),
        source=clean(source, 500),
        description=clean(description),
        publish_at_once=publish_at_once,
    )
    _refuse_bad_fields(row)
    folder = ledger.folder_of(row)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        row.size_bytes = store(ledger.file_of(row))
        with transaction.atomic():
            row.save()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return row


def publish(row: VersionImport, user: User) -> None:
    """Let a worker publish a checked import. Raises CannotRequest if it is in another state."""
    if not ledger.queue(row, user):
        row.refresh_from_db(fields=["state"])
        raise CannotRequest(
            "state",
            f"This import is in the state “{row.get_state_display()}”. Only a checked one is published.",
        )


def discard(row: VersionImport) -> None:
    if not ledger.discard(row):
        raise CannotRequest("state", "This import is published, or was discarded already.")


def next_number(row: VersionImport) -> int:
    """The number of the version that its publication will have, if no other one comes first. One query."""
    versions = (
        LibraryVersion.objects.filter(library__name=row.name, library__project=row.project)
        if row.kind == Kind.LIBRARY
        else ReferenceVersion.objects.filter(collection__name=row.name, collection__project=row.project)
    )
    return int(versions.aggregate(last=Max("number"))["last"] or 0) + 1


def _refuse_bad_fields(row: VersionImport) -> None:
    for field in ("name", "license", "source"):
        if not getattr(row, field):
            raise CannotRequest(field, _MISSING[field])
    if row.name.strip(".") == "" or any(unicodedata.category(sign) in _UNSEEN for sign in row.name):
        raise CannotRequest(
            "name",
            "The name has only dots, or characters that cannot be seen. Use letters, digits and signs.",
        )
    if row.kind == Kind.REFERENCES and row.name == NO_REFERENCES:
        raise CannotRequest("name", f"{NO_REFERENCES!r} means no references. Choose another name.")
    if row.kind == Kind.LIBRARY:
        library = Library.objects.filter(name=row.name).first()
        taken = library is not None and library.project_id != row.project_id
    else:
        collection = ReferenceCollection.objects.filter(name=row.name).first()
        taken = collection is not None and (collection.project_id != row.project_id or collection.is_accepted)
    if taken:
        raise CannotRequest("name", NAME_TAKEN.format(name=row.name))
    n_open = VersionImport.objects.filter(requested_by=row.requested_by).unfinished().count()
    if n_open >= MAX_UNFINISHED:
        raise CannotRequest(
            "file",
            f"You have {n_open} imports that are not published. Publish or discard some of them first.",
        )


# Format, private and unassigned characters: with them a name looks like the name of another library.
_UNSEEN = ("Cf", "Cn", "Co", "Zl", "Zp")
_MISSING = {
    "name": "Name the library or the collection.",
    "license": "State the licence of the file, such as “CC BY 4.0” or “in-house, not for publication”.",
    "source": "State where the file comes from, such as its address, its DOI or its author.",
}
