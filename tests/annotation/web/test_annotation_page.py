"""The page of one annotation: scores by name, provenance, honesty, and verdicts with their checks."""

from __future__ import annotations

import pytest
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from annotation.models import Annotation, Verdict
from annotation.review.actions import decide
from tests.annotation.builders import make_annotation, make_job, make_library_version, make_spectrum
from tests.annotation.web.world import World


def url_of(annotation: Annotation, name: str = "annotation-detail") -> str:
    return reverse(name, args=[annotation.public_id])


def page(world: World, query: str = "") -> str:
    return world.client("curator").get(url_of(world.annotation) + query).content.decode()


def test_every_score_stands_by_its_own_name(world: World) -> None:
    html = page(world)
    for text in ("Generated", "Spectrum", "Exact mass", "Δ ppm", "log-likelihood", "uncalibrated"):
        assert text in html
    assert "Proposed level 3" in html
    assert "Written by the model, not in the ranks" in html


def test_provenance_is_complete(world: World) -> None:
    html, job = page(world), world.job
    for value in (
        job.model_version.checkpoint_sha256,
        job.model_version.tokenizer_sha256,
        str(job.library_version),
        world.annotation.code_version,
        world.annotation.worker,
        world.annotation.spectrum.splash,
        str(world.annotation.public_id),
    ):
        assert value in html


def test_peaks_that_the_candidate_explains_are_named(world: World) -> None:
    html = page(world)
    assert 'class="peak explained"' in html
    assert "explained by rank 1" in html


def test_another_candidate_can_be_looked_at(world: World) -> None:
    assert 'id="pick-2" data-pick="2" aria-current="true"' in page(world, "?candidate=2")
    fragment = world.client("viewer").get(url_of(world.annotation, "annotation-spectrum") + "?candidate=2")
    html = fragment.content.decode()
    assert "<html" not in html
    assert 'hx-swap-oob="true"' in html
    assert "Rank 2 of" in html


@pytest.mark.parametrize("rank", ["0", "999", "x", "", "-1", "99999999999999999999"])
def test_a_rank_that_is_not_there_means_the_first(rank: str, world: World) -> None:
    assert 'id="pick-1" data-pick="1" aria-current="true"' in page(world, f"?candidate={rank}")


def test_an_assumed_adduct_is_said(world: World) -> None:
    assumed = make_annotation(world.job.items.get(state="pending"), adduct_assumed=True)
    assert "was assumed" in world.client("viewer").get(url_of(assumed)).content.decode()
    assert "was assumed" not in page(world)


def test_no_candidate_is_said(world: World) -> None:
    empty = make_job(1, world.project, library_version=make_library_version(()))
    bare = make_annotation(empty.items.get(), margin=None)
    html = world.client("viewer").get(url_of(bare)).content.decode()
    assert "No molecule of" in html


def test_odd_peaks_are_drawn_without_an_error(world: World) -> None:
    item = world.job.items.get(state="pending")
    odd = make_spectrum(item.spectrum.upload, mz=(100.0,), intensity=(0.0,), precursor_mz=None)
    item.spectrum = odd
    item.save()
    assert world.client("viewer").get(url_of(make_annotation(item))).status_code == 200


def test_queries_do_not_grow_with_candidates(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = world.client("curator")
    with django_assert_max_num_queries(15):
        client.get(url_of(world.annotation))


def test_a_curator_accepts(world: World) -> None:
    client = world.client("curator")
    response = client.post(url_of(world.annotation, "annotation-verdict"), {"decision": "accept"})
    assert response.headers["Location"] == url_of(world.annotation)
    verdict = Verdict.objects.get()
    assert (verdict.decision, verdict.level, verdict.decided_by) == ("accept", "3", world.people["curator"])
    assert "Recorded: accept rank 1." in client.get(url_of(world.annotation)).content.decode()


def test_fields_of_other_decisions_are_left_out(world: World) -> None:
    sent = {"decision": "mixture", "candidate": "2", "proposed_smiles": "CCO", "reason": "two co-eluting"}
    world.client("curator").post(url_of(world.annotation, "annotation-verdict"), sent)
    verdict = Verdict.objects.get()
    assert (verdict.candidate, verdict.proposed_smiles) == (None, "")


def test_choosing_and_proposing(world: World) -> None:
    client, url = world.client("curator"), url_of(world.annotation, "annotation-verdict")
    client.post(url, {"decision": "choose", "candidate": "2", "reason": "diagnostic ion 121"})
    first = Verdict.objects.get()
    assert first.candidate is not None
    assert first.candidate.rank == 2
    proposed = {"decision": "propose", "proposed_smiles": "CCO", "reason": "smell"}
    client.post(url, proposed | {"seen_verdict_id": str(first.pk)})
    last = Verdict.objects.latest("pk")
    assert last.proposed_smiles == "CCO"
    drawing = client.get(reverse("proposed-svg", args=[world.annotation.public_id, last.pk]))
    assert drawing.headers["Content-Type"] == "image/svg+xml"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"decision": "reject"}, "Say why"),
        ({"decision": "propose", "reason": "x", "proposed_smiles": "C1CC"}, "Not a structure"),
        ({"decision": "accept", "level": "1"}, "Level 1 needs a reference standard"),
        ({}, "choose a decision"),
    ],
)
def test_an_invalid_verdict_keeps_what_was_entered(sent: dict[str, str], said: str, world: World) -> None:
    response = world.client("curator").post(
        url_of(world.annotation, "annotation-verdict"), sent | {"comment": "keep me"}
    )
    html = response.content.decode()
    assert response.status_code == 422
    assert said in html
    assert "keep me" in html
    assert "Nothing was recorded." in html
    assert not Verdict.objects.exists()


def test_a_stale_verdict_shows_what_changed(world: World) -> None:
    other = world.people["admin"]
    decide(
        annotation=world.annotation,
        user=other,
        decision="reject",
        reason="noise only",
        seen_verdict_id=None,
    )
    client, url = world.client("curator"), url_of(world.annotation, "annotation-verdict")
    stale = client.post(url, {"decision": "accept", "comment": "mine"})
    html = stale.content.decode()
    assert stale.status_code == 409
    for text in ("root decided “Reject”", "noise only", "mine"):
        assert text in html
    seen = Verdict.objects.get().pk
    assert f'name="seen_verdict_id" value="{seen}"' in html
    client.post(url, {"decision": "accept", "seen_verdict_id": str(seen)})
    assert Verdict.objects.count() == 2
