"""Write the results of a job to a file, each row with its provenance."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from annotation.exports.table import write_csv, write_json
from annotation.jobs.progress import progress
from annotation.management import lookups


class Command(BaseCommand):
    help = "Write the results of a job as CSV or JSON. An open job gives the results that it has."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", help="identifier or external id of the job")
        parser.add_argument("--out", required=True, metavar="PATH")
        parser.add_argument(
            "--format", choices=["csv", "json"], help="default: the extension of PATH, or csv"
        )
        parser.add_argument(
            "--top", type=int, default=1, metavar="K", help="candidates per spectrum (default: 1)"
        )

    def handle(self, *arguments: Any, **options: Any) -> None:
        job, path = lookups.job(options["job"]), lookups.writable_path(options["out"])
        as_json = (options["format"] or path.suffix.lstrip(".").lower()) == "json"
        n_spectra = (write_json if as_json else write_csv)(job, path, top=options["top"])
        now = progress(job)
        self.stdout.write(f"{path}: {n_spectra} spectra of job {job.name} ({now.state.label.lower()}).")
        if not now.is_final:
            self.stderr.write(f"The job is not finished: {now.pending + now.running} spectra are open.")
