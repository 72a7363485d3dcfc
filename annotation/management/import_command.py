"""What the commands share that import a file as a new version of a library or of a reference collection."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from annotation.libraries.import_notes import note_lines
from annotation.libraries.import_options import CannotImport
from annotation.libraries.models import LibraryVersion
from annotation.management import lookups
from annotation.references.models import ReferenceVersion

MAX_LISTED_ISSUES = 10

V = TypeVar("V", LibraryVersion, ReferenceVersion)


class ImportCommand(BaseCommand):
    unit: str  # of the progress bar

    def add_import_arguments(self, parser: ArgumentParser, *, license_help: str) -> None:
        parser.add_argument("--project", metavar="SLUG", help="default: shared with all projects")
        parser.add_argument("--user", metavar="NAME", help="the person who imports; default: nobody")
        parser.add_argument("--description", default="")
        parser.add_argument("--license", default="", help=license_help)
        parser.add_argument("--source", default="", help="where the file comes from, such as an address")

    def import_version(
        self, import_file: Callable[..., V], name: str, file: str, options: dict[str, Any]
    ) -> V:
        """The new version, whose issues are listed on standard error. Raises CommandError if it failed."""
        path = lookups.readable_file(file)
        project = lookups.project(options["project"]) if options["project"] else None
        user = lookups.named_person(options["user"]) if options["user"] else None
        with tqdm(unit=f" {self.unit}", desc=name[:30]) as bar:
            try:
                version = import_file(
                    name,
                    path,
                    user=user,
                    project=project,
                    description=options["description"],
                    license=options["license"],
                    source=options["source"],
                    progress=lambda n_done: bar.update(n_done - bar.n),
                )
            except CannotImport as refusal:
                raise CommandError(str(refusal)) from None
        if version.state == version.State.FAILED:
            raise CommandError(f"{version.source_file_name}: {version.failure}")
        self._list_issues(version)
        return version

    def list_notes(self, version: LibraryVersion | ReferenceVersion, unit: str) -> None:
        """What the import changed or assumed. `unit`: "row" or "spectrum"."""
        if version.import_notes:
            self.stdout.write("Changed or assumed:")
            for line in note_lines(version.import_notes, unit):
                self.stdout.write(f"  {line}")

    def _list_issues(self, version: LibraryVersion | ReferenceVersion) -> None:
        for issue in version.issues.all()[:MAX_LISTED_ISSUES]:
            self.stderr.write(f"  {issue.position}: {issue.reason} {issue.remedy}")
        if version.n_rejected > MAX_LISTED_ISSUES:
            n_more = version.n_rejected - MAX_LISTED_ISSUES
            self.stderr.write(f"  and {n_more} more. The page of the version lists them.")
