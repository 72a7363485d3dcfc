"""Load the demonstration: measured spectra of MassBank, a library around their masses, and a job."""

from __future__ import annotations

import hashlib
from importlib.resources import as_file
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from annotation.accounts.demonstration import JOB_EXTERNAL_ID, PROJECT_SLUG
from annotation.accounts.models import Project
from annotation.checkpoints.models import ModelVersion
from annotation.jobs import actions
from annotation.jobs.models import Job
from annotation.libraries.import_options import CannotImport
from annotation.libraries.load import import_library
from annotation.libraries.models import LibraryVersion
from annotation.management import lookups
from annotation.spectra.ingest import store_upload
from annotation.spectra.models import Upload
from models_ml.demonstration.files import LIBRARY as STRUCTURES
from models_ml.demonstration.files import SPECTRA
from models_ml.outcomes import AnnotateParams

LIBRARY = "Demonstration structures"
DESCRIPTION = (
    "20,000 public structures with masses at and around those of the demonstration's spectra, for trying the "
    "server, not for real samples. The file models_ml/demonstration/ATTRIBUTION.md names the sources."
)
JOB_NAME = "60 measured ions of MassBank"


class Command(BaseCommand):
    help = "Load the demonstration library and job. Run again, it adds only what is missing or has changed."

    def handle(self, *arguments: Any, **options: Any) -> None:
        project, _ = Project.objects.get_or_create(slug=PROJECT_SLUG, defaults={"name": "Demonstration"})
        user = lookups.person(None, project)
        model = lookups.model_version(None)
        with as_file(STRUCTURES) as path:
            version = self._library(path, user)
        job = self._job(project, user, version, model)
        self.stdout.write(f"Job {job.public_id}: {job.items.count()} features against {version}.")

    def _library(self, path: Path, user: User) -> LibraryVersion:
        """The version that was imported from the same list, or a new version."""
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        same_list = LibraryVersion.objects.ready().filter(library__name=LIBRARY, source_sha256=sha256)
        version = same_list.order_by("-number").first()
        if version is not None:
            return version
        try:
            version = import_library(LIBRARY, path, user=user, description=DESCRIPTION)
        except CannotImport as refusal:
            raise CommandError(str(refusal)) from None
        if version.state != LibraryVersion.State.READY:
            raise CommandError(f"The demonstration library could not be imported: {version.failure}")
        return version

    def _job(self, project: Project, user: User, version: LibraryVersion, model: ModelVersion) -> Job:
        """The demonstration job with this library version and model, or a new job."""
        jobs = Job.objects.filter(project=project, library_version=version, model_version=model)
        job = jobs.filter(external_id=JOB_EXTERNAL_ID).first()
        if job is not None:
            return job
        upload = self._upload(project, user)
        return actions.submit(
            project=project,
            user=user,
            name=JOB_NAME,
            features=upload.features.order_by("number"),
            library_version=version,
            model_version=model,
            params=AnnotateParams(),
            external_id=JOB_EXTERNAL_ID,
        )

    def _upload(self, project: Project, user: User) -> Upload:
        with as_file(SPECTRA) as path:
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            stored = project.uploads.filter(sha256=sha256, state=Upload.State.READY).first()
            upload = stored or store_upload(project, user, path, path.name)
        if upload.state != Upload.State.READY:
            raise CommandError(f"The demonstration spectra could not be stored: {upload.refusal}")
        return upload
