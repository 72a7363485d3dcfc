"""Store the spectra of a file in a project without annotating them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.management import lookups
from annotation.management.reading import add_reading, read_options
from annotation.spectra.ingest import COUNTS, preflight, store_upload
from annotation.spectra.models import Upload
from models_ml.spectra.formats.supported import SUPPORTED

SHOWN = {**COUNTS, "features": "features"}


class Command(BaseCommand):
    help = "Store the spectra of a file. Each rejected spectrum is listed with its position and a remedy."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help=SUPPORTED)
        parser.add_argument("--project", metavar="SLUG", help="default: the only project")
        parser.add_argument("--user", metavar="NAME", help="the person who uploads; default: a superuser")
        add_reading(parser)
        parser.add_argument("--dry-run", action="store_true", help="only report, store nothing")

    def handle(self, *arguments: Any, **options: Any) -> None:
        path, grouping, table = read_options(options)
        if options["dry_run"]:
            report = preflight(path, grouping, table)
            counts = [getattr(report, name) for name in SHOWN]
            self._show(path.name, report.format, counts, report.issues, report.refusal)
            return
        project = lookups.project(options["project"])
        user = lookups.person(options["user"], project)
        upload = store_upload(project, user, path, path.name, grouping, table)
        counts = [getattr(upload, f"n_{name}") for name in SHOWN]
        refusal = upload.refusal if upload.state == Upload.State.REFUSED else ""
        self._show(path.name, upload.format, counts, upload.issues.all(), refusal)
        self.stdout.write(f"Stored as upload {upload.pk} in {project}.")

    def _show(self, name: str, file_format: str, counts: list[int], issues: Any, refusal: str) -> None:
        if refusal:
            raise CommandError(f"{name}: {refusal}")
        for issue in issues:
            if issue.severity != "skipped":
                self.stderr.write(f"  {issue.position}: {issue.severity}: {issue.reason} {issue.remedy}")
        listed = ", ".join(f"{n} {label}" for n, label in zip(counts, SHOWN.values(), strict=True))
        self.stdout.write(f"{name} ({file_format}): {listed}.")
