"""The bytes of a CSV export, so that nothing about the table changes by accident.

The job holds one spectrum of each kind: ranked by fused and by glmr, reviewed in three ways, failed, pending,
cancelled and without candidates.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from uuid import UUID

import pytest

from annotation.exports.table import stream_csv
from annotation.models import (
    Annotation,
    Job,
    JobItem,
    Library,
    ReferenceCollection,
    ReferenceVersion,
    Verdict,
)
from tests.annotation.builders import (
    make_annotation,
    make_job,
    make_library_version,
    make_model_version,
    make_project,
    make_spectrum,
    make_upload,
    make_user,
)

PINNED = Path(__file__).parent / "pinned.csv"
DAY = datetime.datetime(2026, 11, 27, 12, tzinfo=datetime.UTC)


@pytest.fixture
def job(db: None) -> Job:
    """A job whose every exported value is fixed."""
    user = make_user("curator", is_superuser=True)
    project = make_project(name="Pinned", slug="pinned")
    upload = make_upload(project, user)
    spectra = [
        make_spectrum(
            upload,
            source_index=n,
            title="=1+1 looks like a formula" if n == 2 else f"spectrum {n}",
            external_id=f"sample-{n}",
            retention_time_s=12.5 * n if n else None,
            collision_energy="30 eV",
            license="CC0",
            splash=f"splash10-pin-{n:010d}",
        )
        for n in range(7)
    ]
    model = make_model_version(
        name="glmr-pinned", checkpoint_sha256="a" * 64, ranking_sha256="b" * 64, tokenizer_sha256="c" * 64
    )
    version = make_library_version(
        model_version=model,
        library=Library.objects.create(name="Pinned library", license="CC BY"),
        content_sha256="d" * 64,
    )
    references = ReferenceVersion.objects.create(
        collection=ReferenceCollection.objects.create(name="Pinned references", project=project),
        number=4,
        state=ReferenceVersion.State.READY,
        content_sha256="e" * 64,
    )
    job = make_job(
        project=project,
        user=user,
        spectra=spectra,
        name="Pinned job",
        public_id=UUID(int=1),
        external_id="order-17",
        library_version=version,
        model_version=model,
        reference_version=references,
        params_sha256="f" * 64,
    )
    _fill(job)
    return Job.objects.get(pk=job.pk)


def _fill(job: Job) -> None:
    items = {item.position: item for item in job.items.all()}
    fused = make_annotation(items[0], fused=True, public_id=UUID(int=10))
    first = fused.candidates.order_by("rank")[0]
    _decide(fused, "accept", candidate=first, level="3")
    _decide(fused, "reject", reason="@later look", comment='tab\there, quote "x" and comma')
    glmr = make_annotation(items[1], public_id=UUID(int=11))
    _decide(
        glmr, "choose", candidate=glmr.candidates.get(rank=2), level="2b", reason="diagnostic ion, m/z 121"
    )
    own = make_annotation(items[2], fused=True, abstains=True, adduct_assumed=True, public_id=UUID(int=12))
    _decide(own, "propose", proposed_smiles="CCO", level="3", reason="known from the order")
    make_annotation(
        items[3], n_candidates=0, public_id=UUID(int=13), proposed_level="5"
    ).candidates.all().delete()
    states = JobItem.State
    failed = {"state": states.FAILED, "error_code": "no_adduct", "error": "The spectrum names no adduct."}
    JobItem.objects.filter(pk=items[4].pk).update(**failed)
    JobItem.objects.filter(pk=items[6].pk).update(state=states.CANCELLED)


def _decide(annotation: Annotation, decision: str, **fields: object) -> None:
    user = annotation.job.submitted_by
    Verdict.objects.create(
        annotation=annotation, decision=decision, decided_by=user, decided_at=DAY, shown={}, **fields
    )


def test_bytes(job: Job) -> None:
    assert "".join(stream_csv(job, top=3)).encode() == PINNED.read_bytes()
