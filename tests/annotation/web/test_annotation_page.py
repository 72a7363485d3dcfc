"""The page of one annotation: what it shows of a result, the panel of a candidate, and verdicts."""

from __future__ import annotations

import json
from unittest.mock import patch

import pytest
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from annotation.models import Annotation, Job, Verdict
from annotation.review.actions import decide
from annotation.web import peak_explanations
from annotation.web.peak_explanations import explanations_of
from tests.annotation.builders import make_annotation, make_job, make_library_version, make_spectrum
from tests.annotation.web.dom import Dom, Response, text
from tests.annotation.web.world import World


def url_of(annotation: Annotation, name: str = "annotation-detail") -> str:
    return reverse(name, args=[annotation.public_id])


def page(world: World, query: str = "", annotation: Annotation | None = None) -> Dom:
    response = world.client("curator").get(url_of(annotation or world.annotation) + query)
    assert response.status_code == 200
    return Dom(response)


def panel(world: World, query: str = "?candidate=2") -> Response:
    return world.client("viewer").get(url_of(world.annotation, "annotation-spectrum") + query)


def send_verdict(world: World, data: dict[str, str], person: str = "curator") -> Response:
    return world.client(person).post(url_of(world.annotation, "annotation-verdict"), data)


def test_every_score_has_its_own_column(world: World) -> None:
    dom = page(world)
    row = dom.get('[data-candidate="1"]')
    labels = [cell.get("data-label") for cell in row.cssselect("[data-label]")]
    assert labels == ["Δ ppm", "Spectrum similarity", "Generated similarity"]
    assert "Proposed level 3" in dom.text("#confidence")
    assert "-3.20" in dom.text('#generated [data-beam="1"]').replace("\N{MINUS SIGN}", "-")


def test_provenance_is_complete(world: World) -> None:
    shown, job = page(world).text("#provenance"), world.job
    for value in (
        job.model_version.checkpoint_sha256,
        job.model_version.tokenizer_sha256,
        str(job.library_version),
        world.annotation.code_version,
        world.annotation.worker,
        world.annotation.spectrum.splash,
        str(world.annotation.public_id),
    ):
        assert value in shown


def test_the_plot_gets_its_peaks_as_json(world: World) -> None:
    dom = page(world)
    plot = dom.get("[data-spectrum-plot]")
    data = json.loads(plot.get("data-spectrum-plot"))
    assert [peak["mz"] for peak in data["peaks"]] == [65.0386, 121.0284, 139.039, 163.039]
    assert any("formula" in peak for peak in data["peaks"])
    assert not dom.has("[data-spectrum-plot] line")  # the browser draws, the server does not


def test_the_plot_has_a_name_a_description_and_an_alternative(world: World) -> None:
    dom = page(world)
    picture = dom.get('[data-spectrum-plot] svg[role="img"]')
    for attribute in ("aria-labelledby", "aria-describedby"):
        for element_id in picture.get(attribute).split():
            assert dom.text(f"#{element_id}")
    assert dom.has("[data-spectrum-plot] noscript")
    assert len(dom.all("tr[data-peak]")) == 4


def test_the_table_names_the_peaks_that_the_candidate_explains(world: World) -> None:
    dom = page(world)
    plot = json.loads(dom.get("[data-spectrum-plot]").get("data-spectrum-plot"))
    explained = {peak["formula"] for peak in plot["peaks"] if "formula" in peak}
    assert set(dom.values("[data-explained]", "data-explained")) == explained


def test_intensity_explained_is_one_number(world: World) -> None:
    """The plot and the chosen candidate state the same share. The evidence channel has another name."""
    candidate = world.annotation.candidates.get(rank=1)
    candidate.pk, candidate.rank = None, 6
    candidate.evidence = {"explained": 0.123}  # as release 0.1 stored it
    candidate.save()
    dom = page(world, "?candidate=6")
    beside_the_structure = dom.text('[data-value="intensity-explained"]').split(",")[0]
    assert dom.text("#spectrum-panel strong") == f"Intensity explained: {beside_the_structure}"
    assert "0.123" in dom.text('[data-channel="fragment_coverage"]')
    assert not dom.has('[data-channel="explained"]')
    labels = [text(element) for element in dom.all("dt, [data-channel] th")]
    assert labels.count("Intensity explained") == 1


@pytest.mark.parametrize(("tolerance_ppm", "is_explained"), [(40.0, True), (1.0, False)])
def test_peaks_are_explained_within_the_tolerance_of_the_job(
    tolerance_ppm: float, is_explained: bool, world: World
) -> None:
    shifted = 121.0284 * (1 + 20e-6)
    Job.objects.filter(pk=world.job.pk).update(params={"precursor_tolerance_ppm": tolerance_ppm})
    item = world.job.items.get(state="pending")
    item.spectrum = make_spectrum(item.spectrum.upload, mz=(shifted,), intensity=(1.0,))
    item.save()
    annotation = make_annotation(item)
    annotation.refresh_from_db()
    candidate = annotation.candidates.get(rank=1)
    found = explanations_of(annotation, candidate)
    assert found is not None
    assert bool(found.by_fragment) is is_explained


def test_another_candidate_can_be_shown(world: World) -> None:
    dom = page(world, "?candidate=2")
    assert dom.values("[data-pick][aria-current=true]", "data-pick") == ["2"]
    assert dom.values("tr.chosen", "data-candidate") == ["2"]
    assert dom.get("#chosen").get("data-rank") == "2"


def test_the_panel_is_the_spectrum_and_the_chosen_candidate(world: World) -> None:
    response = panel(world)
    dom = Dom(response)
    assert b"<html" not in response.content
    assert dom.get("#chosen").get("hx-swap-oob") == "true"
    assert dom.get("#chosen").get("data-rank") == "2"
    assert dom.has("#spectrum-panel [data-spectrum-plot]")
    assert not dom.has("#candidates, #review, #generated, #provenance")


def test_the_panel_loads_only_itself(world: World, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """Session, user, annotation, candidates, library entry, spectrum to explain."""
    client = world.client("viewer")
    peak_explanations._explained.cache_clear()
    with (
        patch("annotation.web.annotation_page.matches_of") as matches_of,
        patch("annotation.web.annotation_page.load_page") as load_page,
        django_assert_num_queries(6),
    ):
        client.get(url_of(world.annotation, "annotation-spectrum") + "?candidate=2")
    matches_of.assert_not_called()
    load_page.assert_not_called()


@pytest.mark.parametrize("rank", ["0", "999", "x", "", "-1", "99999999999999999999", "٣٣"])
def test_rank_1_is_shown_for_a_rank_that_does_not_exist(rank: str, world: World) -> None:
    assert page(world, f"?candidate={rank}").get("#chosen").get("data-rank") == "1"
    assert Dom(panel(world, f"?candidate={rank}")).get("#chosen").get("data-rank") == "1"


def test_the_candidate_of_the_verdict_is_shown_first(world: World) -> None:
    send_verdict(world, {"decision": "choose", "candidate": "3", "reason": "diagnostic ion 121"})
    assert page(world).get("#chosen").get("data-rank") == "3"
    assert page(world, "?candidate=2").get("#chosen").get("data-rank") == "2"


def test_an_assumed_adduct_is_marked(world: World) -> None:
    assumed = make_annotation(world.job.items.get(state="pending"), adduct_assumed=True)
    assert page(world, annotation=assumed).has('[data-notice="assumed-adduct"]')
    assert not page(world).has('[data-notice="assumed-adduct"]')


def test_an_annotation_without_candidates_has_a_page(world: World) -> None:
    empty = make_job(1, world.project, library_version=make_library_version(()))
    dom = page(world, annotation=make_annotation(empty.items.get(), margin=None))
    assert dom.get("#chosen").get("data-rank") is None
    assert "10.0 ppm" in dom.text("#chosen")
    assert dom.has('[data-empty="candidates"]')


def test_peaks_without_intensity_do_not_break_the_page(world: World) -> None:
    item = world.job.items.get(state="pending")
    item.spectrum = make_spectrum(item.spectrum.upload, mz=(100.0,), intensity=(0.0,), precursor_mz=None)
    item.save()
    assert page(world, annotation=make_annotation(item)).has("[data-spectrum-plot]")


def test_queries_do_not_grow_with_candidates(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = world.client("curator")
    with django_assert_max_num_queries(14):
        client.get(url_of(world.annotation))


def test_a_curator_accepts(world: World) -> None:
    response = send_verdict(world, {"decision": "accept"})
    assert response.headers["Location"] == url_of(world.annotation)
    verdict = Verdict.objects.get()
    assert (verdict.decision, verdict.level, verdict.decided_by) == ("accept", "3", world.people["curator"])
    dom = page(world)
    assert dom.has('#review .badge[data-state="accept"]')
    assert dom.values("li[data-verdict]", "data-verdict") == ["accept"]


def test_only_curators_see_the_form(world: World) -> None:
    for person, has_form in (("curator", True), ("submitter", False), ("viewer", False)):
        dom = Dom(world.client(person).get(url_of(world.annotation)))
        assert dom.has("form[data-review]") is has_form


def test_every_decision_has_its_own_key(world: World) -> None:
    dom = page(world)
    assert dom.values("input[name=decision]", "value") == Verdict.Decision.values
    keys = dom.values("input[name=decision]", "data-key")
    assert len(set(keys)) == len(Verdict.Decision.values)
    assert not set(keys) & set("jknb")  # these move


def test_fields_of_other_decisions_are_ignored(world: World) -> None:
    data = {"decision": "mixture", "candidate": "2", "proposed_smiles": "CCO", "reason": "two co-eluting"}
    send_verdict(world, data)
    verdict = Verdict.objects.get()
    assert (verdict.candidate, verdict.proposed_smiles) == (None, "")


def test_choosing_and_proposing(world: World) -> None:
    send_verdict(world, {"decision": "choose", "candidate": "2", "reason": "diagnostic ion 121"})
    first = Verdict.objects.get()
    assert first.candidate is not None
    assert first.candidate.rank == 2
    proposal = {"decision": "propose", "proposed_smiles": "CCO", "reason": "smell"}
    send_verdict(world, proposal | {"seen_verdict_id": str(first.pk)})
    last = Verdict.objects.latest("pk")
    assert last.proposed_smiles == "CCO"
    picture = world.client("curator").get(reverse("proposed-svg", args=[world.annotation.public_id, last.pk]))
    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert page(world).values("li[data-verdict]", "data-verdict") == ["propose", "choose"]


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"decision": "reject"}, "reason"),
        ({"decision": "propose", "reason": "x", "proposed_smiles": "C1CC"}, "proposed_smiles"),
        ({"decision": "accept", "level": "1"}, "reason"),
        ({"decision": "choose", "reason": "x"}, "candidate"),
        ({}, "decision"),
    ],
)
def test_an_invalid_verdict_keeps_what_was_entered(data: dict[str, str], field: str, world: World) -> None:
    response = send_verdict(world, data | {"comment": "keep me"})
    dom = Dom(response)
    assert response.status_code == 422
    assert dom.has(f"#id_{field}_error li")
    assert dom.text("[name=comment]") == "keep me"
    assert dom.get('[data-notice="not-recorded"]').get("role") == "alert"
    assert not Verdict.objects.exists()


def test_the_confirmation_names_the_feature_and_leads_back_to_it(world: World) -> None:
    client = world.client("curator")
    address = f"/annotations/{world.annotation.public_id}/"
    assert client.post(f"{address}verdicts/", {"decision": "accept"}).status_code == 302
    link = Dom(client.get("/review/")).get("[data-message] a")
    assert link.get("href") == address
    assert link.text_content()


def test_a_verdict_on_an_outdated_page_is_refused_and_shows_the_newer_verdict(world: World) -> None:
    decide(
        annotation=world.annotation,
        user=world.people["admin"],
        decision="reject",
        reason="noise only",
        seen_verdict_id=None,
    )
    response = send_verdict(world, {"decision": "accept", "comment": "keep me"})
    dom = Dom(response)
    assert response.status_code == 409
    notice = dom.text('[data-notice="newer-verdict"]')
    for part in ("root", "Reject", "noise only"):
        assert part in notice
    assert dom.text("[name=comment]") == "keep me"
    seen = Verdict.objects.get().pk
    assert dom.get("[name=seen_verdict_id]").get("value") == str(seen)
    send_verdict(world, {"decision": "accept", "seen_verdict_id": str(seen)})
    assert Verdict.objects.count() == 2
