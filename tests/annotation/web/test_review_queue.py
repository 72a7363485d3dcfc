"""The review queue: least certain first, only one's own projects, and on to the next."""

from __future__ import annotations

import re

from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from annotation.models import Annotation
from tests.annotation.builders import make_annotation, make_job
from tests.annotation.web.world import World


def waiting(world: World) -> list[Annotation]:
    """Three annotations in the queue's order."""
    job = make_job(2, project=world.project, user=world.people["submitter"], name="August batch")
    first, last = job.items.order_by("position")
    return [make_annotation(first, margin=0.001), world.annotation, make_annotation(last, margin=None)]


def shown(html: str) -> list[str]:
    return re.findall(r"/annotations/([0-9a-f-]{36})/\?queue=1[^\"]*\">scan", html)


def test_least_certain_first_and_no_margin_last(world: World) -> None:
    expected = [str(a.public_id) for a in waiting(world)]
    html = world.client("curator").get(reverse("review-queue")).content.decode()
    assert shown(html) == expected


def test_only_curators_have_a_queue(world: World) -> None:
    for who in ("viewer", "submitter", "stranger"):
        html = world.client(who).get(reverse("review-queue")).content.decode()
        assert not shown(html)


def test_filters(world: World) -> None:
    first, second, third = waiting(world)
    client = world.client("curator")
    by_job = client.get(reverse("review-queue"), {"job": str(first.job.public_id)}).content.decode()
    assert shown(by_job) == [str(first.public_id), str(third.public_id)]
    by_title = client.get(reverse("review-queue"), {"q": second.spectrum.title}).content.decode()
    assert shown(by_title) == [str(second.public_id)]
    assert not shown(client.get(reverse("review-queue"), {"project": "elsewhere"}).content.decode())
    assert len(shown(client.get(reverse("review-queue"), {"job": "nonsense"}).content.decode())) == 3


def test_a_decision_leads_on_to_the_next(world: World) -> None:
    first, second, third = waiting(world)
    client = world.client("curator")
    for annotation, following in ((first, second), (second, third)):
        url = reverse("annotation-verdict", args=[annotation.public_id]) + "?queue=1"
        response = client.post(url, {"decision": "accept"})
        assert str(following.public_id) in response.headers["Location"]
    url = reverse("annotation-verdict", args=[third.public_id]) + "?queue=1"
    response = client.post(url, {"decision": "accept"})
    assert response.headers["Location"].startswith(reverse("review-queue"))
    assert "Nothing waits for a verdict" in client.get(response.headers["Location"]).content.decode()


def neighbours(html: str) -> dict[str, str]:
    found = re.findall(r'rel="(prev|next)" href="/annotations/([0-9a-f-]{36})/', html)
    return dict(found)


def test_previous_and_skip_follow_the_queue(world: World) -> None:
    first, second, third = waiting(world)
    client = world.client("curator")

    def around(annotation: Annotation) -> dict[str, str]:
        url = reverse("annotation-detail", args=[annotation.public_id])
        return neighbours(client.get(url, {"queue": "1"}).content.decode())

    assert around(first) == {"next": str(second.public_id)}
    assert around(second) == {"prev": str(first.public_id), "next": str(third.public_id)}
    assert around(third) == {"prev": str(second.public_id)}
    client.post(reverse("annotation-verdict", args=[second.public_id]), {"decision": "accept"})
    assert around(second) == {"next": str(first.public_id)}  # it waits no longer: on with the first


def test_rank_1_stands_by_the_name_that_its_own_library_gives(world: World) -> None:
    assert "compound 1" in world.client("curator").get(reverse("review-queue")).content.decode()


def test_queries_do_not_grow_with_rows(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    waiting(world)
    client = world.client("curator")
    with django_assert_max_num_queries(9):
        client.get(reverse("review-queue"))
