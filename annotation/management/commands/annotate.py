"""Annotate a file of spectra: store it, submit a job, wait for it, write the results."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.exports.table import write_csv, write_json
from annotation.jobs import actions
from annotation.jobs.models import Job
from annotation.management import lookups
from annotation.management.reading import add_reading, counted, read_options
from annotation.management.waiting import temporary_worker, wait
from annotation.spectra.ingest import store_upload
from annotation.spectra.models import Upload
from models_ml.outcomes import METHODS, AnnotateParams
from models_ml.spectra import adducts
from models_ml.spectra.formats.supported import SUPPORTED

DEFAULTS = AnnotateParams()
ION_MODES = ("positive", "negative")


class Command(BaseCommand):
    help = "Annotate the spectra of a file with a library. Write the results as JSON (--out) or CSV (--csv)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help=SUPPORTED)
        parser.add_argument("--library", required=True, metavar="NAME")
        parser.add_argument(
            "--library-version", type=int, metavar="N", help="default: the newest ready version"
        )
        parser.add_argument(
            "--references",
            metavar="NAME",
            help="collection of reference spectra, or none; default: the newest",
        )
        parser.add_argument(
            "--references-version", type=int, metavar="N", help="default: the newest ready version"
        )
        parser.add_argument("--model", metavar="NAME", help="name or hash; default: the default model")
        parser.add_argument(
            "--method",
            choices=METHODS,
            default=DEFAULTS.method,
            help=f"of ranking; default: {DEFAULTS.method}",
        )
        parser.add_argument("--project", metavar="SLUG", help="default: the only project")
        parser.add_argument("--user", metavar="NAME", help="the person who submits; default: a superuser")
        parser.add_argument("--name", default="", help="of the job; default: the name of the file")
        parser.add_argument("--external-id", default="", metavar="ID")
        parser.add_argument("--out", metavar="PATH", help="results as JSON")
        parser.add_argument("--csv", metavar="PATH", help="results as CSV")
        parser.add_argument(
            "--top", type=int, default=10, metavar="K", help="candidates per feature (default: 10)"
        )
        parser.add_argument("--tolerance-ppm", type=float, default=DEFAULTS.precursor_tolerance_ppm)
        parser.add_argument("--seed", type=int, default=DEFAULTS.seed)
        for ion_mode in ION_MODES:
            assumed = f"assumed for {ion_mode} spectra without an adduct"
            parser.add_argument(f"--adduct-{ion_mode}", metavar="ADDUCT", help=assumed)
        parser.add_argument(
            "--accept-proposed-adducts",
            action="store_true",
            help="use the adduct that MS1 suggests for features whose file states none",
        )
        add_reading(parser)
        parser.add_argument("--with-worker", action="store_true", help="run a worker until the job ends")
        parser.add_argument("--no-wait", action="store_true", help="submit and return")

    def handle(self, *arguments: Any, **options: Any) -> None:
        if options["no_wait"] and (options["out"] or options["csv"] or options["with_worker"]):
            raise CommandError(
                "--no-wait returns before there are results. Omit it, or omit --out, --csv and --with-worker."
            )
        out = lookups.writable_path(options["out"]) if options["out"] else None
        table = lookups.writable_path(options["csv"]) if options["csv"] else None
        with temporary_worker(is_needed=options["with_worker"]) as worker:
            job = self._submit(options)
            if options["no_wait"]:
                return
            try:
                now = wait(job, self.stderr, worker)
            except KeyboardInterrupt:
                raise CommandError(
                    f"Job {job.public_id} is stored and continues as soon as a worker runs. "
                    f"Get its results later: `manage.py export {job.public_id} --out FILE --format json`."
                ) from None
        self._write(job, out, table, options["top"])
        self.stdout.write(
            f"{now.done} annotated, {now.no_match} without a match in the library, {now.unusable} cannot be "
            f"annotated, {now.failed} failed, {now.cancelled} cancelled of {now.total}."
        )

    def _submit(self, options: dict[str, Any]) -> Job:
        project = lookups.project(options["project"])
        user = lookups.person(options["user"], project)
        version = lookups.library_version(project, options["library"], options["library_version"])
        model = lookups.model_version(options["model"])
        references = lookups.reference_version(project, options["references"], options["references_version"])
        params = AnnotateParams(
            method=options["method"],
            precursor_tolerance_ppm=_positive(options["tolerance_ppm"]),
            seed=options["seed"],
            accept_proposed_adducts=options["accept_proposed_adducts"],
            assumed_adducts=_assumed(options),
        )
        path, grouping, table = read_options(options)
        upload = store_upload(project, user, path, path.name, grouping, table)
        self._report(upload)
        try:
            job = actions.submit(
                project=project,
                user=user,
                name=options["name"] or path.name,
                features=upload.features.order_by("number"),
                library_version=version,
                model_version=model,
                reference_version=references,
                params=params,
                external_id=options["external_id"],
            )
        except actions.CannotSubmit as refusal:
            raise CommandError(f"{path}: {refusal}") from None
        self.stdout.write(
            f"Job {job.public_id}: {counted(upload)} against {version} by {model}, "
            f"reference spectra: {references or 'none'}."
        )
        return job

    def _report(self, upload: Upload) -> None:
        if upload.state == Upload.State.REFUSED:
            raise CommandError(f"{upload.file_name}: {upload.refusal}")
        self.stdout.write(
            f"{upload.file_name} ({upload.format}): {upload.n_found} found, {upload.n_ms2} MS2, "
            f"{upload.n_usable} usable ({upload.n_repaired} repaired), {upload.n_rejected} rejected, "
            f"{upload.n_skipped} skipped."
        )
        for issue in upload.issues.filter(severity="rejected")[:10]:
            self.stderr.write(f"  {issue.position}: {issue.reason} {issue.remedy}")
        if upload.n_rejected > 10:
            self.stderr.write(f"  and {upload.n_rejected - 10} more. The page of the upload lists all.")

    def _write(self, job: Job, out: Path | None, table: Path | None, top: int) -> None:
        for path, write in ((out, write_json), (table, write_csv)):
            if path is not None:
                write(job, path, top=top)
                self.stdout.write(f"Results: {path}")


def _positive(ppm: float) -> float:
    if not 0 < ppm <= 1000:
        raise CommandError(f"--tolerance-ppm {ppm}: must be above 0 and at most 1000.")
    return ppm


def _assumed(options: dict[str, Any]) -> dict[str, str]:
    assumed = {}
    for ion_mode in ION_MODES:
        text = options[f"adduct_{ion_mode}"]
        if not text:
            continue
        adduct = adducts.normalise_assumed(text, ion_mode)
        if adduct is None:
            raise CommandError(
                f"--adduct-{ion_mode} {text}: this is not a {ion_mode} adduct. Write it like [M+H]+."
            )
        assumed[ion_mode] = adduct
    return assumed
