"""Reference spectra in use: jobs pin a version, batches never mix collections, curators accept spectra."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from annotation.exports import table as export
from annotation.jobs import actions, ledger
from annotation.models import Job, ReferenceCollection, ReferenceVersion, Verdict
from annotation.references.load import import_references
from annotation.references.matches import nearest
from annotation.review.actions import InvalidVerdict, decide
from annotation.review.publish_references import NothingToPublish, publish
from annotation.spectra.records import to_exchange
from models_ml.outcomes import AnnotateParams
from tests.annotation.api import world as api
from tests.annotation.builders import (
    make_annotation,
    make_feature,
    make_job,
    make_project,
    make_spectrum,
    make_upload,
)
from tests.annotation.references.test_import import GOOD
from tests.annotation.web.world import World, make_world

pytestmark = pytest.mark.django_db

STANDARD: dict[str, Any] = {"level": "1", "reason": "Matches the standard, retention time 4.2 min."}


@pytest.fixture
def version(tmp_path: Path) -> ReferenceVersion:
    path = tmp_path / "references.mgf"
    path.write_text(GOOD)
    return import_references("public", path)


def post(world: api.World, **changes: Any) -> Any:
    client = APIClient()
    client.force_login(world.user)
    headers = {"Idempotency-Key": uuid4().hex}
    return client.post("/api/v1/jobs", world.job(**changes), format="json", headers=headers)


def test_rest_pins_a_version_or_none_or_uses_the_default(version: ReferenceVersion) -> None:
    world = api.make_world()
    pinned = {"name": "public", "version": 1, "content_sha256": version.content_sha256}
    assert post(world).json()["references"] == pinned
    assert post(world, references="public", references_version=1).json()["references"] == pinned
    assert post(world, references="none").json()["references"] is None
    unknown = post(world, references="nowhere")
    assert unknown.status_code == 422
    (error,) = unknown.json()["errors"]
    assert error["pointer"] == "/references"
    assert "Choices: public, none. GET /api/v1/references" in error["detail"]
    assert post(world, references="public", references_version=9).status_code == 422


@pytest.mark.parametrize("references", ["", "none"])
def test_rest_refuses_a_version_without_a_collection(version: ReferenceVersion, references: str) -> None:
    answer = post(api.make_world(), references=references, references_version=1)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/references_version"


def test_the_form_selects_the_newest_version_or_none(version: ReferenceVersion) -> None:
    world = make_world()
    client = world.client("submitter")
    upload = str(world.annotation.spectrum.upload_id)
    page = client.get(reverse("upload-report"), {"upload": upload}).content.decode()
    assert f'<option value="{version.pk}" selected>public v1</option>' in page
    page = client.get(reverse("upload-report"), {"upload": upload, "reference_version": ""}).content.decode()
    assert f'<option value="{version.pk}">public v1</option>' in page
    sent = {
        "library_version": world.job.library_version_id,
        "model_version": world.job.model_version_id,
        "precursor_tolerance_ppm": "10",
        "reference_version": version.pk,
    }
    client.post(f"{reverse('upload-report')}?upload={upload}", sent)
    assert Job.objects.latest("pk").reference_version == version


def test_a_collection_of_another_project_is_refused(version: ReferenceVersion) -> None:
    ReferenceCollection.objects.update(project=make_project())
    version = ReferenceVersion.objects.get()
    world, spectrum = make_world(), make_spectrum()
    with pytest.raises(actions.CannotSubmit, match="another project"):
        actions.submit(
            project=spectrum.project,
            user=world.people["submitter"],
            name="batch",
            features=[spectrum.membership.feature_id],
            library_version=world.job.library_version,
            model_version=world.job.model_version,
            params=AnnotateParams(),
            reference_version=version,
        )


def test_a_batch_has_jobs_with_the_same_references_only(version: ReferenceVersion) -> None:
    first = make_job(2, reference_version=version)
    pins: dict[str, Any] = {"library_version": first.library_version, "model_version": first.model_version}
    make_job(2, **pins)

    sizes = []
    while batch := ledger.claim(limit=10, worker="w"):
        sizes.append((len(batch.items), batch.reference_version_id))
    assert sorted(sizes, key=str) == sorted([(2, version.pk), (2, None)], key=str)


def test_provenance_states_the_collection(version: ReferenceVersion) -> None:
    world = make_world()
    job = make_job(1, project=world.project, reference_version=version)
    annotation = make_annotation(job.items.get())
    (row,) = export.rows(job)
    assert (row["references"], row["references_version"], row["references_sha256"]) == (
        "public", 1, version.content_sha256
    )  # fmt: skip
    client = world.client("viewer")
    result = client.get(f"/api/v1/annotations/{annotation.public_id}").json()["provenance"]
    assert (result["references"], result["references_version"]) == ("public", 1)
    for page in (annotation, job):
        name = "annotation-detail" if page is annotation else "job-detail"
        assert "public v1" in client.get(reverse(name, args=[page.public_id])).content.decode()


def test_the_result_shows_the_most_similar_references_of_its_precursor(version: ReferenceVersion) -> None:
    world = make_world()
    annotation = make_annotation(make_job(1, project=world.project, reference_version=version).items.get())
    client = world.client("viewer")
    html = client.get(reverse("annotation-detail", args=[annotation.public_id])).content.decode()
    assert html.index("REF-1") < html.index("REF-2")  # equally similar, so in the order of the file
    assert "REF-3" not in html  # another precursor
    assert "data-cite" not in html  # only for curators
    shown = nearest(version.pk, to_exchange(annotation.spectrum), "[M+H]+", 10.0)
    assert [match.reference.title for match in shown] == ["REF-1", "REF-2"]
    assert 0.5 < shown[0].similarity == shown[1].similarity < 1
    itself = version.spectra.get(position=0)
    assert nearest(version.pk, itself.to_exchange(), "[M+H]+", 10.0)[0].similarity == pytest.approx(1)
    assert nearest(version.pk, itself.to_exchange(), "[M+H]+", 0.0)[0].reference == itself
    plain = client.get(reverse("annotation-detail", args=[world.annotation.public_id])).content.decode()
    assert "Reference spectra of this precursor" not in plain
    result = client.get(f"/api/v1/annotations/{annotation.public_id}").json()["reference_matches"]
    assert [match["title"] for match in result] == ["REF-1", "REF-2"]
    assert result[0]["splash"] == itself.splash
    assert result[0]["similarity"] == pytest.approx(shown[0].similarity)
    assert client.get(f"/api/v1/annotations/{world.annotation.public_id}").json()["reference_matches"] == []


def test_a_citation_from_the_page_is_enough_for_level_2a(version: ReferenceVersion) -> None:
    world = make_world()
    annotation = make_annotation(make_job(1, project=world.project, reference_version=version).items.get())
    url = reverse("annotation-detail", args=[annotation.public_id])
    cited = re.search(r'data-cite="([^"]+)"', world.client("curator").get(url).content.decode())
    assert cited is not None
    assert version.spectra.get(position=0).splash in cited[1]
    reason = cited[1].replace("REF-1", "no digits here")  # a title may have no digits
    curator = world.people["curator"]
    decide(
        annotation=annotation,
        user=curator,
        decision="accept",
        level="2a",
        reason=reason,
        seen_verdict_id=None,
    )


def accept(world: World, **changes: Any) -> Verdict:
    accepted: dict[str, Any] = {"decision": "accept", "as_reference": True, "seen_verdict_id": None}
    return decide(
        annotation=world.annotation, user=world.people["curator"], **(accepted | STANDARD | changes)
    )


def test_a_spectrum_that_a_curator_accepts_becomes_a_reference(db: None) -> None:
    world = make_world()
    verdict = accept(world)

    version = publish(world.project, world.people["curator"])

    assert (str(version), version.state, version.n_spectra) == (
        f"Accepted in {world.project.slug} v1",
        "ready",
        1,
    )
    reference = version.spectra.get()
    assert reference.molecule == world.annotation.top_molecule
    assert reference.splash == world.annotation.spectrum.splash
    assert bytes(reference.mz_bytes) == bytes(world.annotation.spectrum.mz_bytes)
    assert reference.verdict == verdict
    assert f"annotation {world.annotation.public_id}" in reference.origin
    assert "level 1" in reference.origin
    with pytest.raises(NothingToPublish, match="already contains exactly the same spectrum"):
        publish(world.project, world.people["curator"])


def test_every_spectrum_of_an_accepted_feature_becomes_a_reference(
    db: None, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    world = make_world()
    upload = make_upload(world.project)
    low, high, left_out, outlier = (
        make_spectrum(upload, grouped=True, collision_energy=energy, splash=f"splash10-{energy}")
        for energy in ("10 eV", "40 eV", "60 eV", "90 eV")
    )
    feature = make_feature([high, low, left_out], [outlier])
    job = make_job(1, project=world.project, features=[feature])
    members = [
        {"spectrum": spectrum.pk, "code": code, "evidence": {}}
        for spectrum, code in ((high, ""), (low, ""), (left_out, "unsupported_adduct"))
    ]
    annotation = make_annotation(job.items.get(), members=members)
    decide(
        annotation=annotation,
        user=world.people["curator"],
        decision="accept",
        as_reference=True,
        seen_verdict_id=None,
        **STANDARD,
    )

    with django_assert_max_num_queries(30):
        version = publish(world.project, world.people["curator"])

    references = version.spectra.order_by("position")
    assert [reference.collision_energy for reference in references] == ["40 eV", "10 eV"]
    assert {reference.molecule for reference in references} == {annotation.top_molecule}
    assert {reference.adduct for reference in references} == {annotation.adduct}


def test_a_spectrum_with_a_later_verdict_is_no_reference(db: None) -> None:
    world = make_world()
    seen = accept(world)
    accept(world, decision="reject", level="", reason="noise", as_reference=False, seen_verdict_id=seen.pk)

    with pytest.raises(NothingToPublish, match="level 1, 2a or 2b"):
        publish(world.project, world.people["curator"])
    with pytest.raises(CommandError, match="level 1, 2a or 2b"):
        call_command("publish_references", "--project", world.project.slug, "--user", "curator")


@pytest.mark.parametrize(
    "change", [{"level": "3"}, {"level": ""}, {"decision": "mixture", "level": "", "reason": "two"}]
)
def test_a_level_below_2b_makes_no_reference(db: None, change: dict[str, str]) -> None:
    with pytest.raises(InvalidVerdict, match="level 1, 2a or 2b"):
        accept(make_world(), **change)


def test_accepting_and_publishing_on_the_pages(db: None) -> None:
    world = make_world()
    client = world.client("curator")
    url = reverse("annotation-verdict", args=[world.annotation.public_id])
    refused = client.post(url, {"decision": "accept", "as_reference": "on"})
    assert refused.status_code == 422
    assert "as_reference" in refused.context["form"].errors
    client.post(url, {"decision": "accept", "as_reference": "on"} | STANDARD)
    assert "serves as a reference" in client.get(
        reverse("annotation-detail", args=[world.annotation.public_id])
    ).content.decode()  # fmt: skip

    publish_url = reverse("publish-references", args=[world.project.slug])
    assert f'action="{publish_url}"' in client.get(reverse("libraries")).content.decode()
    assert world.client("viewer").post(publish_url).status_code == 403
    assert world.client("stranger").post(publish_url).status_code == 404
    published = client.post(publish_url)
    page = client.get(published.headers["Location"]).content.decode()
    assert "Accepted by curator" in page
    assert world.client("stranger").get(published.headers["Location"]).status_code == 404
    assert "Accepted in" in client.get(reverse("libraries")).content.decode()
    listed = client.get("/api/v1/references").json()["results"]
    assert [collection["versions"][0]["n_spectra"] for collection in listed] == [1]
