"""Remove uploads that no job uses: on request, and by themselves after GLMR_UPLOAD_DAYS.

Only web processes remove uploads, because workers may have no access to the files.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, ProtectedError
from django.utils import timezone

from annotation.spectra.models import Feature, FeatureMember, Spectrum, Upload, UploadQuerySet

log = logging.getLogger(__name__)

_AT_ONCE = 10


class UploadInUse(Exception):
    """A job uses spectra of the upload, so its results depend on it."""


def without_jobs(uploads: UploadQuerySet) -> UploadQuerySet:
    features = Feature.objects.filter(upload=OuterRef("pk"), job_items__isnull=False)
    spectra = Spectrum.objects.filter(upload=OuterRef("pk"), job_items__isnull=False)
    return uploads.exclude(Exists(features)).exclude(Exists(spectra))


def remove(upload: Upload) -> None:
    """Delete the upload with its spectra, report and file. Raises UploadInUse; then nothing is deleted."""
    try:
        with transaction.atomic():
            if not without_jobs(Upload.objects.filter(pk=upload.pk)).select_for_update().exists():
                raise UploadInUse
            # A job that is submitted meanwhile is refused by the database: its spectra are gone.
            FeatureMember.objects.filter(feature__upload=upload).delete()
            Feature.objects.filter(upload=upload).delete()
            Spectrum.objects.filter(upload=upload).delete()
            storage, name = upload.file.storage, upload.file.name
            Upload.objects.filter(pk=upload.pk).delete()
            if name:
                transaction.on_commit(lambda: storage.delete(name))
    except ProtectedError:
        raise UploadInUse from None


def expire() -> int:
    """Remove some uploads that are old and without a job; return how many. Each new upload calls it."""
    if not settings.GLMR_UPLOAD_DAYS:
        return 0
    before = timezone.now() - timedelta(days=settings.GLMR_UPLOAD_DAYS)
    old = without_jobs(Upload.objects.filter(created_at__lt=before)).order_by("created_at")
    n_removed = 0
    for upload in old[:_AT_ONCE]:
        try:
            remove(upload)
            n_removed += 1
        except UploadInUse:
            continue
    if n_removed:
        log.info(
            "Removed %d uploads without a job, older than %d days.", n_removed, settings.GLMR_UPLOAD_DAYS
        )
    return n_removed


def earlier_refusal(upload: Upload) -> Upload:
    """The first upload of the same unusable file by the same person, or this one.

    A client that sends a refused file again gets the first report, and nothing is stored twice.
    """
    same = Upload.objects.filter(
        project=upload.project,
        uploaded_by=upload.uploaded_by,
        sha256=upload.sha256,
        file_name=upload.file_name,
        grouping=upload.grouping,
        state=upload.state,
        n_usable=0,
    ).exclude(sha256="")
    first = same.order_by("pk").first()
    if first is None or first.pk == upload.pk:
        return upload
    remove(upload)
    return first
