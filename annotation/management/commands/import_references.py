"""Import a file of reference spectra as a new version of a collection."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from annotation.jobs.selection import NO_REFERENCES
from annotation.management.import_command import ImportCommand
from annotation.references.load import import_references


class Command(ImportCommand):
    help = "Import spectra with structures (any format that uploads accept) as a new version of a collection."
    unit = "spectra"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", help="each spectrum with peaks, precursor m/z, adduct and SMILES or InChI"
        )
        parser.add_argument(
            "--name", required=True, help="of the collection; an existing collection gets a new version"
        )
        self.add_import_arguments(parser, license_help="of the collection; spectra keep theirs")

    def handle(self, *arguments: Any, **options: Any) -> None:
        if options["name"] == NO_REFERENCES:
            raise CommandError(f"--name {NO_REFERENCES}: this word means no references. Choose another name.")
        version = self.import_version(import_references, options["name"], options["file"], options)
        self.stdout.write(
            f"{version}: {version.n_spectra:,} spectra of {version.n_molecules:,} molecules, "
            f"{version.n_rejected:,} rejected. Content {version.content_sha256[:12]}."
        )
        self.list_notes(version, "spectrum")
