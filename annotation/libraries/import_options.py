"""What an import of a library and one of a reference collection are told about the file, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypedDict, Unpack

from django.contrib.auth.models import User

from annotation.accounts.models import Project
from annotation.plain_text import clean

ShowProgress = Callable[[int], object]  # takes the number of rows or spectra so far

# It does not say whose it is: the names of other projects are not for everyone.
NAME_TAKEN = "The name {name!r} is taken by another owner. Choose another name."


class CannotImport(Exception):
    """No version was created. The message says what is wrong and how to fix it."""


class ImportStopped(Exception):
    """The caller gives the import up, by raising this in `progress` or `on_ready`. No version stays."""


def _ignore(_: object) -> None:
    pass


class ImportOptions(TypedDict, total=False):
    """The optional arguments of an import."""

    user: User | None
    project: Project | None  # that owns a new library or collection; None: shared with all projects
    description: str  # of a new library or collection
    license: str  # of the file
    source: str  # where the file comes from
    file_name: str  # by default that of the path
    progress: ShowProgress | None
    # Called with the version in the transaction that makes it ready. If it raises, nothing is published.
    on_ready: Callable[[Any], object] | None


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """The options with their defaults, as text that the database can store."""

    file_name: str
    user: User | None
    project: Project | None
    description: str
    license: str
    source: str
    progress: ShowProgress
    on_ready: Callable[[Any], object]

    @classmethod
    def of(cls, path: Path, **options: Unpack[ImportOptions]) -> Self:
        return cls(
            file_name=clean(options.get("file_name") or path.name, 255),
            user=options.get("user"),
            project=options.get("project"),
            description=clean(options.get("description", "")),
            license=clean(options.get("license", ""), 200),
            source=clean(options.get("source", ""), 500),
            progress=options.get("progress") or _ignore,
            on_ready=options.get("on_ready") or _ignore,
        )

    @property
    def of_owner(self) -> dict[str, Any]:
        """Fields of a new library or collection."""
        return {"project": self.project, "description": self.description, "license": self.license}

    @property
    def of_version(self) -> dict[str, Any]:
        """Fields of each version."""
        return {"source_file_name": self.file_name, "license": self.license, "source": self.source}
