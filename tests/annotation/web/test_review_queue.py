"""The review queue: its order, its filters, who has one, and the way from one annotation to the next."""

from __future__ import annotations

from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from annotation.models import Annotation
from tests.annotation.builders import make_annotation, make_job
from tests.annotation.web.dom import Dom, Response
from tests.annotation.web.world import World


def make_queue(world: World) -> list[Annotation]:
    """Three annotations in the order of the queue."""
    job = make_job(2, project=world.project, user=world.people["submitter"], name="August batch")
    first, last = job.items.order_by("position")
    return [make_annotation(first, margin=0.001), world.annotation, make_annotation(last, margin=None)]


def queue(world: World, person: str = "curator", **query: str) -> Dom:
    return Dom(world.client(person).get(reverse("review-queue"), query))


def ids(*annotations: Annotation) -> list[str]:
    return [str(annotation.public_id) for annotation in annotations]


def shown(dom: Dom) -> list[str]:
    return dom.values("tr[data-annotation]", "data-annotation")


def accept(world: World, annotation: Annotation, query: str = "?queue=1") -> Response:
    url = reverse("annotation-verdict", args=[annotation.public_id]) + query
    return world.client("curator").post(url, {"decision": "accept"})


def neighbours(world: World, annotation: Annotation, **query: str) -> dict[str, str]:
    """The annotations that the page leads to, by "prev" and "next"."""
    dom = Dom(world.client("curator").get(reverse("annotation-detail", args=[annotation.public_id]), query))
    return {link.get("rel"): link.get("href").split("/")[2] for link in dom.all("a[rel=prev], a[rel=next]")}


def test_smallest_margin_first_and_no_margin_last(world: World) -> None:
    expected = ids(*make_queue(world))
    assert shown(queue(world)) == expected


def test_only_curators_have_a_queue(world: World) -> None:
    for person in ("viewer", "submitter"):
        assert queue(world, person).has('[data-empty="not-a-curator"]')
    assert not shown(queue(world, "stranger"))  # a manager of another project


def test_filters(world: World) -> None:
    first, second, third = make_queue(world)
    assert shown(queue(world, job=str(first.job.public_id))) == ids(first, third)
    assert shown(queue(world, q=second.spectrum.title)) == ids(second)
    assert not shown(queue(world, project="elsewhere"))
    assert len(shown(queue(world, job="nonsense"))) == 3


def test_a_filtered_queue_says_why_it_is_empty(world: World) -> None:
    dom = queue(world, q="no such title")
    assert dom.has('[data-empty="queue"]')
    assert dom.values('[data-empty="queue"] a', "href") == [reverse("review-queue")]


def test_a_verdict_leads_to_the_next_annotation(world: World) -> None:
    first, second, third = make_queue(world)
    assert str(second.public_id) in accept(world, first).headers["Location"]
    assert str(third.public_id) in accept(world, second).headers["Location"]
    url = accept(world, third).headers["Location"]
    assert url.startswith(reverse("review-queue"))
    assert Dom(world.client("curator").get(url)).has('[data-empty="queue"]')


def test_previous_and_next_follow_the_queue(world: World) -> None:
    first, second, third = make_queue(world)
    [first_id, second_id, third_id] = ids(first, second, third)
    assert neighbours(world, first, queue="1") == {"next": second_id}
    assert neighbours(world, second, queue="1") == {"prev": first_id, "next": third_id}
    assert neighbours(world, third, queue="1") == {"prev": second_id}
    accept(world, second)
    assert neighbours(world, second, queue="1") == {"next": first_id}  # it no longer waits


def test_previous_and_next_follow_the_job_outside_the_queue(world: World) -> None:
    first, _, third = make_queue(world)
    assert neighbours(world, first) == {"next": str(third.public_id)}
    assert neighbours(world, third) == {"prev": str(first.public_id)}


def test_a_row_names_rank_1_as_its_library_does(world: World) -> None:
    row = queue(world).get(f'tr[data-annotation="{world.annotation.public_id}"] td[data-label="Rank 1"]')
    assert "compound 1" in row.text_content()


def test_queries_do_not_grow_with_rows(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make_queue(world)
    client = world.client("curator")
    with django_assert_max_num_queries(9):
        client.get(reverse("review-queue"))
