"""Import a file of structures as a new version of a library."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from annotation.libraries.load import import_library
from annotation.management.import_command import ImportCommand


class Command(ImportCommand):
    help = "Import SMILES, CSV, TSV or SDF (also .gz) as a new version of the library NAME."
    unit = "rows"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="of the library; an existing library gets a new version")
        parser.add_argument("path")
        self.add_import_arguments(parser, license_help="of the structures; exports contain it")

    def handle(self, *arguments: Any, **options: Any) -> None:
        version = self.import_version(import_library, options["name"], options["path"], options)
        self.stdout.write(
            f"{version}: {version.n_rows:,} rows, {version.n_molecules:,} molecules, "
            f"{version.n_merged:,} rows merged, {version.n_rejected:,} rejected. "
            f"Content {version.content_sha256[:12]}. Workers embed it now, before its first job runs."
        )
        self.list_notes(version, "row")
