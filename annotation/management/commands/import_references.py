"""Imports a file of reference spectra as a new version of a collection."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from annotation.management import lookups
from annotation.references.load import CannotImport, import_references
from annotation.references.models import ReferenceVersion


class Command(BaseCommand):
    help = "Import spectra with structures (any format that uploads take) as a new version of a collection."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", help="each spectrum with peaks, precursor m/z, adduct and SMILES or InChI"
        )
        parser.add_argument("--name", required=True, help="of the collection; a new version if it is there")
        parser.add_argument("--project", metavar="SLUG", help="only for this project; else for all")
        parser.add_argument("--user", metavar="NAME", help="on whose behalf; else nobody's")
        parser.add_argument("--description", default="")
        parser.add_argument("--license", default="", help="of the collection; spectra keep their own")

    def handle(self, *arguments: Any, **options: Any) -> None:
        path = lookups.readable_file(options["file"])
        if options["name"] == "none":
            raise CommandError("--name none: this word means no references. Choose another name.")
        project = lookups.project(options["project"]) if options["project"] else None
        user = lookups.named_person(options["user"]) if options["user"] else None
        with tqdm(unit=" spectra", desc=options["name"][:30]) as bar:

            def show(n_stored: int) -> None:
                bar.update(n_stored - bar.n)

            try:
                version = import_references(
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

    def _report(self, version: ReferenceVersion) -> None:
        if version.state == ReferenceVersion.State.FAILED:
            raise CommandError(f"{version.source_file_name}: {version.failure}")
        for issue in version.issues.all()[:10]:
            self.stderr.write(f"  {issue.position}: {issue.reason} {issue.remedy}")
        if version.n_rejected > 10:
            self.stderr.write(f"  and {version.n_rejected - 10} more; the page of the version lists them.")
        self.stdout.write(
            f"{version}: {version.n_spectra:,} spectra of {version.n_molecules:,} molecules, "
            f"{version.n_rejected:,} rejected. Content {version.content_sha256[:12]}."
        )
