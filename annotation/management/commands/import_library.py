"""Imports a file of structures as a new version of a library."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from annotation.libraries.load import CannotImport, import_library
from annotation.libraries.models import LibraryVersion
from annotation.management import lookups


class Command(BaseCommand):
    help = "Import SMILES, CSV, TSV or SDF (also .gz) as a new version of the library NAME."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="of the library; a new version if it is there already")
        parser.add_argument("path")
        parser.add_argument("--project", metavar="SLUG", help="only for this project; else for all")
        parser.add_argument("--user", metavar="NAME", help="on whose behalf; else nobody's")
        parser.add_argument("--description", default="")
        parser.add_argument("--license", default="", help="of the structures, carried into exports")

    def handle(self, *arguments: Any, **options: Any) -> None:
        path = lookups.readable_file(options["path"])
        project = lookups.project(options["project"]) if options["project"] else None
        user = lookups.named_person(options["user"]) if options["user"] else None
        with tqdm(unit=" rows", desc=options["name"][:30]) as bar:

            def show(n_rows: int, n_all: int | None) -> None:
                bar.total = n_all
                bar.update(n_rows - bar.n)

            try:
                version = import_library(
                    options["name"],
                    path,
                    user=user,
                    project=project,
                    description=options["description"],
                    license=options["license"],
                    progress=show,
                )
            except CannotImport as refusal:
                raise CommandError(str(refusal)) from None
        self._report(version)

    def _report(self, version: LibraryVersion) -> None:
        if version.state == LibraryVersion.State.FAILED:
            raise CommandError(f"{version.source_file_name}: {version.failure}")
        for issue in version.issues.all()[:10]:
            self.stderr.write(f"  {issue.position}: {issue.reason} {issue.remedy}")
        if version.n_rejected > 10:
            self.stderr.write(f"  and {version.n_rejected - 10} more; the library's page lists them.")
        self.stdout.write(
            f"{version}: {version.n_rows:,} rows, {version.n_molecules:,} molecules, "
            f"{version.n_merged:,} rows merged, {version.n_rejected:,} rejected. "
            f"Content {version.content_sha256[:12]}. Workers embed it now, before its first job runs."
        )
