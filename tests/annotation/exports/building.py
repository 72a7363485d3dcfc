"""A job with every kind of feature, and exports of it built at once, without a worker process."""

from __future__ import annotations

from pathlib import Path

from annotation.exports import ledger
from annotation.exports.actions import request_export
from annotation.exports.build import build_next
from annotation.models import Export, Job, JobItem
from tests.annotation.builders import (
    make_annotation,
    make_feature,
    make_job,
    make_spectrum,
    make_upload,
    make_user,
)

# A row of the quantification table of mzmine.
QUANTITIES = {"row ID": "1", "blank.mzML Peak area": "12.5", "a.mzML Peak area": "1e6"}


def mixed_job() -> Job:
    """Annotated, failed, pending, without match, and with text that a spreadsheet would run."""
    user = make_user("submitter", is_superuser=True)
    upload = make_upload(user=user)
    first = make_spectrum(upload, grouped=True)
    features = [make_feature([first], quantities=QUANTITIES)]
    features += [make_spectrum(upload).membership.feature for _ in range(4)]
    job = make_job(user=user, features=features)
    make_annotation(job.items.get(position=0), fused=True)
    states = JobItem.State
    job.items.filter(position=1).update(state=states.FAILED, error_code="no_adduct", error="=1+1|calc")
    job.items.filter(position=3).update(state=states.NO_MATCH)
    make_annotation(job.items.get(position=4))
    return job


def built(job: Job, format: str, *, top: int = 1, filter_query: str = "") -> tuple[Export, Path]:
    """A ready export and its file. Needs a transactional test, or `within_test_transaction`."""
    export = request_export(job=job, user=job.submitted_by, format=format, top=top, filter_query=filter_query)
    assert build_next(worker="test")
    export.refresh_from_db()
    assert export.state == Export.State.READY, export.error
    return export, ledger.path_of(export.file)
