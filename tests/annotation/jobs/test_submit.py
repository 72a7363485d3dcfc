"""Submitting: checks, one transaction, workers are told after the commit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from annotation.jobs import actions
from annotation.jobs.parameters import from_json
from annotation.models import (
    Job,
    Library,
    LibraryEmbedding,
    LibraryVersion,
    Project,
    Spectrum,
)
from models_ml.outcomes import AnnotateParams
from tests.annotation.builders import (
    make_importing_version,
    make_library_version,
    make_model_version,
    make_project,
    make_spectrum,
    make_upload,
    make_user,
)

pytestmark = pytest.mark.django_db


def submit(default: list[Spectrum], **overrides: object) -> Job:
    arguments: dict[str, object] = {
        "project": default[0].project,
        "user": make_user(),
        "name": "batch",
        "features": [spectrum.membership.feature_id for spectrum in default],
        "library_version": make_library_version(),
        "model_version": make_model_version(),
        "params": AnnotateParams(beam_size=3),
    }
    return actions.submit(**(arguments | overrides))  # type: ignore[arg-type]


def test_items_keep_the_order_without_repeats() -> None:
    upload = make_upload()
    first, second = make_spectrum(upload), make_spectrum(upload)

    job = submit([second, first, second])

    assert list(job.items.order_by("position").values_list("spectrum", flat=True)) == [second.pk, first.pk]
    assert from_json(job.params) == AnnotateParams(beam_size=3)


def test_features_can_be_a_queryset() -> None:
    upload = make_upload()
    spectrum = make_spectrum(upload)

    assert submit([spectrum], features=upload.features.all()).items.count() == 1


def test_embedding_is_requested_and_workers_are_told_after_the_commit(
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[list[Callable[[], object]]]],
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        job = submit([make_spectrum()])

    assert actions.ring in callbacks
    run = LibraryEmbedding.objects.get(version=job.library_version, model_version=job.model_version)
    assert (run.n_embedded, run.finished_at) == (0, None)


@pytest.mark.parametrize(
    ("override", "field"),
    [
        (lambda: {"features": []}, "spectra"),
        (lambda: {"features": [make_spectrum().pk]}, "spectra"),  # of another project
        (
            lambda: {"library_version": make_importing_version(Library.objects.create(name="new"))},
            "library_version",
        ),
        (lambda: {"library_version": version_of(make_project())}, "library"),
    ],
    ids=["no spectra", "foreign spectra", "library not ready", "foreign library"],
)
def test_refused(override: Callable[[], dict[str, object]], field: str) -> None:
    with pytest.raises(actions.CannotSubmit) as refusal:
        submit([make_spectrum()], **override())
    assert refusal.value.field == field
    assert not Job.objects.exists()


def version_of(project: Project) -> LibraryVersion:
    version = make_library_version()
    version.library.project = project
    version.library.save()
    return version
