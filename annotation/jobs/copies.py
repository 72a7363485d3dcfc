"""Files that were uploaded before, found by SHA-256, and the jobs that annotated them. The person decides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from annotation.jobs.models import Job, JobItem
from annotation.spectra.models import Upload


@dataclass(frozen=True, slots=True)
class Copies:
    """Where else the bytes of one upload are in its project."""

    in_selection: Upload | None  # an upload before it in the same selection
    earlier: tuple[Upload, ...]  # uploads outside the selection, newest first
    jobs: tuple[Job, ...]  # that annotated the upload or one of `earlier`, newest first

    @property
    def found(self) -> bool:
        return self.in_selection is not None or bool(self.earlier or self.jobs)


def find_copies(uploads: Sequence[Upload]) -> dict[int, Copies]:
    """The copies of each upload, by its id. The uploads are of one project. Three queries."""
    if not uploads:
        return {}
    project = uploads[0].project_id
    earlier: dict[str, list[Upload]] = defaultdict(list)
    for copy in Upload.objects.filter(project_id=project).earlier_copies(uploads):
        earlier[copy.sha256].append(copy)
    known = [upload.pk for upload in uploads] + [copy.pk for copies in earlier.values() for copy in copies]
    annotated = JobItem.objects.filter(feature__upload__in=known).order_by()
    jobs_of: dict[int, set[int]] = defaultdict(set)
    for job_id, upload_id in annotated.values_list("job_id", "feature__upload_id").distinct():
        jobs_of[upload_id].add(job_id)
    jobs = Job.objects.in_bulk(set().union(*jobs_of.values()))
    first: dict[str, Upload] = {}
    found: dict[int, Copies] = {}
    for upload in uploads:
        before = tuple(earlier[upload.sha256]) if upload.sha256 else ()
        ids = {job for pk in (upload.pk, *(copy.pk for copy in before)) for job in jobs_of[pk]}
        same = first.setdefault(upload.sha256, upload) if upload.sha256 else upload
        found[upload.pk] = Copies(
            in_selection=same if same is not upload else None,
            earlier=before,
            jobs=tuple(jobs[pk] for pk in sorted(ids, reverse=True)),
        )
    return found
