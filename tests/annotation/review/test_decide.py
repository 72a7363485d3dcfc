"""Verdicts: added under a lock, with the list as shown, and refused if the latest verdict was not seen."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection, transaction
from pytest_django import DjangoAssertNumQueries

from annotation.models import Annotation, Membership, Role, Verdict
from annotation.review.actions import InvalidVerdict, StaleReview, decide
from tests.annotation.builders import make_annotation, make_job, make_user

pytestmark = pytest.mark.django_db


def member(annotation: Annotation, role: Role = Role.CURATOR) -> Any:
    user = make_user()
    Membership.objects.create(project=annotation.job.project, user=user, role=role)
    return user


def test_accept_means_rank_1_at_the_proposed_level() -> None:
    annotation = make_annotation()
    curator = member(annotation)
    verdict = decide(annotation=annotation, user=curator, decision="accept", seen_verdict_id=None)
    assert verdict.candidate is not None
    assert (verdict.candidate.rank, verdict.level, verdict.decided_by) == (1, "3", curator)


def test_the_snapshot_keeps_the_list_as_shown() -> None:
    annotation = make_annotation()
    verdict = decide(annotation=annotation, user=member(annotation), decision="accept", seen_verdict_id=None)
    verdict.refresh_from_db()
    ranks = [(c["rank"], c["smiles"], c["embedding_similarity"]) for c in verdict.shown["candidates"]]
    assert ranks == [
        (c.rank, c.molecule.smiles, c.embedding_similarity) for c in annotation.candidates.order_by("rank")
    ]
    assert verdict.shown["generated"][0]["beam_rank"] == 1


def test_choosing_another_candidate_needs_a_reason() -> None:
    annotation = make_annotation()
    curator = member(annotation)
    second = annotation.candidates.get(rank=2)
    choice = {"annotation": annotation, "user": curator, "decision": "choose", "seen_verdict_id": None}
    with pytest.raises(InvalidVerdict) as refusal:
        decide(candidate=second, **choice)
    assert set(refusal.value.errors) == {"reason"}
    assert decide(candidate=second, reason="Loss of ketene.", **choice).candidate == second


def test_an_unseen_verdict_refuses_the_next() -> None:
    annotation = make_annotation()
    first, second = member(annotation), member(annotation)
    seen = decide(annotation=annotation, user=first, decision="accept", seen_verdict_id=None)
    with pytest.raises(StaleReview) as refusal:
        decide(annotation=annotation, user=second, decision="reject", reason="No.", seen_verdict_id=None)
    assert refusal.value.current == seen
    decide(annotation=annotation, user=second, decision="reject", reason="No.", seen_verdict_id=seen.pk)
    assert Verdict.objects.latest_of([annotation.pk])[annotation.pk].decision == "reject"
    assert annotation.verdicts.count() == 2


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SUBMITTER])
def test_only_curators_decide(role: Role) -> None:
    annotation = make_annotation()
    with pytest.raises(PermissionDenied):
        decide(annotation=annotation, user=member(annotation, role), decision="accept", seen_verdict_id=None)


def test_a_verdict_counts_as_a_change_of_the_job() -> None:
    annotation = make_annotation()
    before = annotation.job.updated_at
    decide(annotation=annotation, user=member(annotation), decision="accept", seen_verdict_id=None)
    annotation.job.refresh_from_db()
    assert annotation.job.updated_at > before


def test_the_database_refuses_to_change_a_verdict() -> None:
    annotation = make_annotation()
    verdict = decide(annotation=annotation, user=member(annotation), decision="accept", seen_verdict_id=None)
    with pytest.raises(DatabaseError), transaction.atomic():
        Verdict.objects.filter(pk=verdict.pk).update(level="1")
    with pytest.raises(DatabaseError), transaction.atomic():
        verdict.delete()


def test_latest_verdicts_take_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    job = make_job(n_spectra=3)
    annotations = [make_annotation(item) for item in job.items.all()]
    curator = member(annotations[0])
    for annotation in annotations[:2]:
        seen = decide(annotation=annotation, user=curator, decision="accept", seen_verdict_id=None)
        decide(
            annotation=annotation, user=curator, decision="mixture", reason="Two.", seen_verdict_id=seen.pk
        )
    with django_assert_num_queries(1):
        found = Verdict.objects.latest_of([annotation.pk for annotation in annotations])
        assert {v.decided_by.username for v in found.values()} == {curator.username}
    assert [found[a.pk].decision for a in annotations[:2]] == ["mixture", "mixture"]
    assert annotations[2].pk not in found


@pytest.mark.django_db(transaction=True)
def test_of_two_curators_at_once_the_second_is_refused() -> None:
    annotation = make_annotation()
    curators = [member(annotation), member(annotation)]
    outcomes: list[str] = []
    barrier = threading.Barrier(2)

    def add_verdict(curator: Any) -> None:
        barrier.wait(10)
        try:
            decide(annotation=annotation, user=curator, decision="accept", seen_verdict_id=None)
            outcomes.append("recorded")
        except StaleReview:
            outcomes.append("stale")
        finally:
            connection.close()

    threads = [threading.Thread(target=add_verdict, args=(curator,)) for curator in curators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["recorded", "stale"]
    assert annotation.verdicts.count() == 1
