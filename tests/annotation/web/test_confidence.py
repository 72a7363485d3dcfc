"""How sure a result is, in words: on its own page, in the job's table and in the review queue."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from annotation.models import Annotation
from annotation.templatetags.display import percent
from tests.annotation.builders import make_annotation, make_job
from tests.annotation.web.world import World


def page(world: World, annotation: Annotation, query: str = "") -> str:
    url = reverse("annotation-detail", args=[annotation.public_id])
    return words(world.client("curator").get(url + query).content.decode())


def words(html: str) -> str:
    return html.replace("\N{NO-BREAK SPACE}", " ")


def fused(world: World, **overrides: object) -> Annotation:
    job = make_job(1, project=world.project, user=world.people["submitter"], name="Fused batch")
    return make_annotation(job.items.get(), fused=True, **overrides)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "not given"), (0.0, "under 1 %"), (0.004, "under 1 %"), (0.01, "1 %"), (0.618, "62 %"),
     (0.99, "99 %"), (0.997, "over 99 %"), (1.0, "over 99 %")],
)  # fmt: skip
def test_percent_without_false_precision(value: float | None, shown: str) -> None:
    assert words(percent(value)) == shown


def test_how_sure_rank_1_is_stands_beside_it(world: World) -> None:
    html = page(world, fused(world))
    assert "How sure rank 1 is" in html
    for part in ("<dd>62 %</dd>", "<dd>81 %</dd>", "<dd>7 %</dd>"):
        assert part in html
    assert "None of these" not in html
    assert "Sorted by probability" in html


def test_none_of_these_keeps_the_ranks(world: World) -> None:
    html = page(world, fused(world, p_right=0.3, p_absent=0.12, abstains=True))
    assert "Perhaps none of these" in html
    assert "most likely not" not in html  # it would gainsay the 12 % beneath it
    assert 'id="pick-2"' in html


def test_a_single_candidate_is_said_to_prove_nothing(world: World) -> None:
    alone = fused(world, p_right=0.98, n_candidates=1)
    assert "Only one candidate." in page(world, alone)
    assert "Only one candidate." not in page(world, fused(world))
    client = world.client("curator")
    for path in (reverse("job-detail", args=[alone.job.public_id]), reverse("review-queue")):
        assert "only candidate" in client.get(path).content.decode()


def test_what_glmr_does_not_give_is_not_given(world: World) -> None:
    html = page(world, world.annotation)
    assert "Rank 1 is right: not given." in html
    assert re.search(r"<dt>Probability</dt><dd[^>]*>not given", html)
    assert "Fingerprint" not in html


def test_every_channel_says_its_word_on_the_chosen_candidate(world: World) -> None:
    annotation = fused(world)
    html = page(world, annotation, "?candidate=2")
    table = html[html.index('<table class="evidence">') :]
    table = table[: table.index("</table>")]
    assert "Evidence for rank 2" in table
    n = annotation.n_candidates
    assert re.search(rf"Fingerprint</abbr></th><td[^>]*>1.000</td><td[^>]*>2 of {n}<", table)
    assert re.search(r"Analog spectra</abbr></th><td[^>]*>not given", table)
    assert re.search(r"Generated similarity</abbr></th><td[^>]*>0.800</td>", table)


def test_a_channel_that_is_not_known_here_shows_under_its_own_name(world: World) -> None:
    annotation = fused(world)
    last = annotation.candidates.order_by("-rank").first()
    assert last is not None
    last.pk, last.rank, last.evidence = None, last.rank + 1, {"collision_cross_section": 1.5}
    last.save()
    assert "Collision cross section" in page(world, annotation)


def test_proposals_have_a_lane_of_their_own(world: World) -> None:
    html = page(world, fused(world))
    lane = html[html.index('id="proposed-heading"') :]
    lane = lane[: lane.index("</section>")]
    assert "CC(=O)Oc1cccc(C(=O)O)c1" in lane
    assert "+0.5 ppm" in lane
    ranked = html[html.index('id="candidates"') : html.index('id="proposed-heading"')]
    assert "CC(=O)Oc1cccc(C(=O)O)c1" not in ranked
    assert "Proposed, not in the library" not in page(world, world.annotation)


def test_the_jobs_table_sorts_and_filters_by_it(world: World) -> None:
    job = make_job(4, project=world.project, user=world.people["submitter"])
    sure, middling, none, old = job.items.order_by("position")
    make_annotation(sure, fused=True, p_right=0.93)
    make_annotation(middling, fused=True, p_right=0.55)
    make_annotation(none, fused=True, p_right=0.08, abstains=True)
    make_annotation(old)
    titles = {item.spectrum.title: item.position for item in job.items.select_related("spectrum")}
    client, url = world.client("viewer"), reverse("job-detail", args=[job.public_id])

    def shown(**query: str) -> list[int]:
        html = client.get(url, query).content.decode()
        return [titles[title] for title in re.findall(r"scan \d+(?=</a>|<br>)", html)]

    assert shown(sort="-right") == [0, 1, 2, 3]
    assert shown(sort="right") == [2, 1, 0, 3]
    assert shown(sure="90") == [0]
    assert shown(sure="50") == [0, 1]
    assert shown(sure="below") == [2]
    assert shown(sure="none") == [2]
    assert shown(sure="missing") == [3]
    assert shown(sure="nonsense") == [0, 1, 2, 3]
    html = words(client.get(url).content.decode())
    assert "93 %" in html
    assert "none of these" in html
    assert "not given" in html


def test_the_queue_begins_where_a_look_decides_most(world: World) -> None:
    job = make_job(3, project=world.project, user=world.people["submitter"])
    sure, even, none = (
        make_annotation(item, fused=True, p_right=p, abstains=p < 0.2)
        for item, p in zip(job.items.order_by("position"), (0.95, 0.52, 0.1), strict=True)
    )
    old = world.annotation  # has no probability, so it comes after those that have
    client = world.client("curator")

    def shown(**query: str) -> list[str]:
        html = client.get(reverse("review-queue"), query).content.decode()
        return re.findall(r"/annotations/([0-9a-f-]{36})/\?queue=1[^\"]*\">scan", html)

    def ids(*annotations: Annotation) -> list[str]:
        return [str(annotation.public_id) for annotation in annotations]

    assert shown() == ids(even, none, sure, old)
    assert shown(order="sure") == ids(sure, even, none, old)
    assert shown(order="unsure") == ids(none, even, sure, old)
    assert shown(sure="75") == ids(sure)
    assert shown(sure="missing") == ids(old)


def test_order_and_filter_stay_through_a_sitting(world: World) -> None:
    job = make_job(2, project=world.project, user=world.people["submitter"])
    low, high = (
        make_annotation(item, fused=True, p_right=p)
        for item, p in zip(job.items.order_by("position"), (0.6, 0.95), strict=True)
    )
    client = world.client("curator")
    url = reverse("annotation-verdict", args=[high.public_id]) + "?queue=1&order=sure&sure=50"
    following = client.post(url, {"decision": "accept"}).headers["Location"]
    assert str(low.public_id) in following
    assert "order=sure" in following
    assert "sure=50" in following
