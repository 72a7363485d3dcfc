"""Claims: no item twice, jobs in rotation, batches with one configuration, isolated items alone."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from annotation.jobs import ledger
from annotation.models import Job, JobItem, LibraryEmbedding
from tests.annotation.builders import (
    make_feature,
    make_job,
    make_library_version,
    make_model_version,
    make_spectrum,
)


@pytest.mark.django_db
def test_claimed_items_run_under_a_lease_with_a_new_fence() -> None:
    job = make_job(n_spectra=2)

    batch = ledger.claim(limit=10, worker="w1")

    assert batch is not None
    assert [(item.fence, item.attempt) for item in batch.items] == [(1, 1), (1, 1)]
    assert batch.features[0].members[0].precursor_mz == pytest.approx(181.0495)
    assert batch.params.n_candidates == 40
    item = job.items.first()
    assert item is not None
    assert (item.state, item.worker) == ("running", "w1")
    assert item.lease_expires_at is not None
    job.refresh_from_db()
    assert job.state == "running"
    assert ledger.claim(limit=10, worker="w2") is None


@pytest.mark.django_db
def test_interactive_jobs_come_first() -> None:
    make_job(n_spectra=2)
    interactive = make_job(n_spectra=4, priority=Job.Priority.INTERACTIVE)
    for _ in range(2):
        batch = ledger.claim(limit=2, worker="w")
        assert batch is not None
        assert {item.job_id for item in batch.items} == {interactive.pk}


@pytest.mark.django_db
def test_a_small_new_job_does_not_wait_for_a_large_old_one() -> None:
    large = make_job(n_spectra=30)
    small = make_job(n_spectra=3)  # another model, so that it cannot fill the batch of the large job

    served = []
    for _ in range(3):
        batch = ledger.claim(limit=8, worker="w")
        assert batch is not None
        served.append(batch.items[0].job_id)

    assert served == [large.pk, small.pk, large.pk]


@pytest.mark.django_db
def test_a_batch_is_filled_from_jobs_with_the_same_configuration_only() -> None:
    model = make_model_version()
    version = make_library_version(model_version=model)
    first = make_job(n_spectra=2, model_version=model, library_version=version)
    same = make_job(n_spectra=3, model_version=model, library_version=version)
    other_parameters = make_job(2, model_version=model, library_version=version, params_sha256="1" * 64)

    batch = ledger.claim(limit=8, worker="w")

    assert batch is not None
    assert Counter(item.job_id for item in batch.items) == {first.pk: 2, same.pk: 3}
    rest = ledger.claim(limit=8, worker="w")
    assert rest is not None
    assert {item.job_id for item in rest.items} == {other_parameters.pk}


@pytest.mark.django_db
def test_a_large_job_begins_with_small_batches() -> None:
    make_job(n_spectra=100)
    sizes = []
    while batch := ledger.claim(limit=64, worker="w"):
        sizes.append(len(batch.items))
        assert [item.attempt for item in batch.items] == [1] * len(batch.items)
    assert sizes == [4, 16, 64, 16]


@pytest.mark.django_db
def test_small_jobs_share_a_batch_from_the_start() -> None:
    # Laboratories submit a job for each sample. Small first batches would slow them down.
    model = make_model_version()
    version = make_library_version(model_version=model)
    for _ in range(10):
        make_job(n_spectra=4, model_version=model, library_version=version)
    batch = ledger.claim(limit=64, worker="w")
    assert batch is not None
    assert len(batch.items) == 40


@pytest.mark.django_db
def test_a_job_waits_until_its_library_is_embedded_for_its_model() -> None:
    job = make_job(n_spectra=1)
    LibraryEmbedding.objects.filter(version=job.library_version).update(finished_at=None)

    assert ledger.claim(limit=1, worker="w") is None


@pytest.mark.django_db
def test_an_isolated_item_is_claimed_alone_and_after_the_others() -> None:
    job = make_job(n_spectra=3)
    suspect = job.items.get(position=0)
    JobItem.objects.filter(pk=suspect.pk).update(isolated=True)

    claims = [ledger.claim(limit=8, worker="w") for _ in range(2)]

    assert [[item.id == suspect.pk for item in batch.items] for batch in claims if batch] == [
        [False, False],
        [True],
    ]


@pytest.mark.django_db(transaction=True)
def test_concurrent_claimers_never_share_an_item() -> None:
    job = make_job(n_spectra=60)

    def claim_until_empty(name: str) -> list[int]:
        claimed: list[int] = []
        while batch := ledger.claim(limit=3, worker=name):
            claimed += [item.id for item in batch.items]
        connection.close()
        return claimed

    with ThreadPoolExecutor(4) as pool:
        claimed = [pk for ids in pool.map(claim_until_empty, ["a", "b", "c", "d"]) for pk in ids]

    assert sorted(claimed) == sorted(job.items.values_list("pk", flat=True))


@pytest.mark.django_db
def test_the_isotope_pattern_of_a_feature_reaches_the_model() -> None:
    spectrum = make_spectrum(grouped=True, precursor_mz=181.0495)
    feature = make_feature(
        [spectrum], precursor_mz=181.0495, isotope_mz=[181.0495, 182.0529], isotope_intensity=[100.0, 9.9]
    )
    make_job(features=[feature])

    batch = ledger.claim(limit=10, worker="w")

    assert batch is not None
    survey = batch.features[0].members[0].survey
    assert survey is not None
    assert (survey.has_pattern, survey.selected_isotope) == (True, 0)
