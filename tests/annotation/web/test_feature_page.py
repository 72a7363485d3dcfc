"""The page of a feature beyond its list: mirror plot, families, links to candidates, similar features."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from annotation.models import Annotation, ModelVersion, ReferenceVersion
from annotation.references.load import import_references
from annotation.results.families import find_families
from annotation.results.similar import load_neighbourhood
from models_ml.checkpoint_info import read_checkpoint_info
from tests.annotation.builders import make_annotation, make_job, make_library_version, make_spectrum
from tests.annotation.references.test_import import GOOD
from tests.annotation.web.dom import Dom
from tests.annotation.web.world import World

CHECKPOINT = next((Path(__file__).parents[3] / "models_ml/checkpoints").glob("glmr-*"))
# Methyl in two positions of one ring, and a molecule of the same formula with another scaffold.
FAMILY = ("Cc1ccc(OCC(=O)O)cc1", "Cc1cccc(OCC(=O)O)c1", "COc1ccc(C(=O)OC)cc1")


@pytest.fixture
def version(tmp_path: Path, db: None) -> ReferenceVersion:
    path = tmp_path / "references.mgf"
    path.write_text(GOOD)
    return import_references("public", path)


@pytest.fixture
def matched(world: World, version: ReferenceVersion) -> Annotation:
    job = make_job(1, project=world.project, user=world.people["submitter"], reference_version=version)
    return make_annotation(job.items.get(), fused=True)


def panel(world: World, annotation: Annotation, query: str) -> Dom:
    url = reverse("annotation-spectrum", args=[annotation.public_id])
    response = world.client("viewer").get(url + query)
    assert response.status_code == 200
    return Dom(response)


def page(world: World, annotation: Annotation, query: str = "") -> Dom:
    url = reverse("annotation-detail", args=[annotation.public_id])
    return Dom(world.client("curator").get(url + query))


def test_the_mirror_shows_a_reference_of_the_job(
    world: World, matched: Annotation, version: ReferenceVersion
) -> None:
    choices = page(world, matched).values("#plot-options [name=mirror] option", "value")
    first = version.spectra.get(position=0)
    assert choices == [
        "",
        "predicted",
        f"reference-{first.pk}",
        f"reference-{version.spectra.get(position=1).pk}",
    ]
    dom = panel(world, matched, f"?candidate=1&mirror=reference-{first.pk}")
    below = json.loads(dom.get("[data-mirror-plot]").get("data-mirror-plot"))["peaks"]
    assert [(peak["mz"], peak["matched"]) for peak in below] == [(121.0284, True), (139.039, True)]
    above = json.loads(dom.get("[data-spectrum-plot]").get("data-spectrum-plot"))["peaks"]
    assert [peak.get("matched", False) for peak in above] == [False, True, True, False]
    assert "2 of 2 peaks match" in " ".join(dom.text("[data-mirror]").split())
    assert len(dom.all("tr[data-mirror-peak]")) == 2


@pytest.mark.parametrize(
    "mirror", ["reference-999999", "reference-x", "reference-", "nonsense", "reference-٣"]
)
def test_a_mirror_that_does_not_exist_is_left_out(mirror: str, world: World, matched: Annotation) -> None:
    assert not panel(world, matched, f"?mirror={mirror}").has("[data-mirror]")


def test_references_of_another_version_are_not_shown(
    world: World, matched: Annotation, version: ReferenceVersion
) -> None:
    reference = version.spectra.get(position=0)
    assert not panel(world, world.annotation, f"?mirror=reference-{reference.pk}").has("[data-mirror]")


def test_the_mirror_shows_what_the_model_predicts_or_says_why_not(world: World, matched: Annotation) -> None:
    said = panel(world, matched, "?mirror=predicted")
    assert said.get("[data-mirror]").get("data-mirror") == "predicted"
    assert not said.has("[data-mirror-plot]")  # the model of the test has no file
    info = read_checkpoint_info(CHECKPOINT)
    ModelVersion.objects.filter(pk=matched.job.model_version_id).update(
        folder=str(CHECKPOINT), ranking_sha256=info.ranking_sha256
    )
    dom = panel(world, matched, "?candidate=1&mirror=predicted")
    peaks = json.loads(dom.get("[data-mirror-plot]").get("data-mirror-plot"))["peaks"]
    assert max(peak["percent"] for peak in peaks) == 100
    assert any(peak.get("matched") for peak in peaks)
    assert max(peak["mz"] for peak in peaks) < 184


def test_peaks_after_preprocessing_are_those_that_the_networks_read(world: World) -> None:
    item = world.job.items.get(state="pending")
    spectrum = make_spectrum(
        item.spectrum.upload, mz=(65.0386, 121.0284, 163.039), intensity=(0.05, 100.0, 7.5)
    )
    item.spectrum, item.feature = spectrum, spectrum.membership.feature
    item.save()
    annotation = make_annotation(item)
    drawn = json.loads(
        panel(world, annotation, "?peaks=read").get("[data-spectrum-plot]").get("data-spectrum-plot")
    )
    assert [peak["mz"] for peak in drawn["peaks"]] == [121.0284, 163.039]


def test_a_candidate_has_a_link_that_survives_another_order(world: World) -> None:
    second = world.annotation.candidates.get(rank=2)
    key = second.molecule.inchikey_first_block
    dom = page(world, world.annotation, f"?candidate={key}")
    assert dom.get("#chosen").get("data-rank") == "2"
    assert dom.get(f"#candidate-{key}").get("data-candidate") == "2"
    links = dom.values("#chosen a", "href")
    assert any(link.endswith(f"?candidate={key}#candidate-{key}") for link in links)


def make_family(world: World) -> Annotation:
    """With the probabilities 0.62, 0.31 and 0.155."""
    library = make_library_version(FAMILY)
    job = make_job(1, project=world.project, user=world.people["submitter"], library_version=library)
    return make_annotation(job.items.get(), fused=True)


@pytest.mark.parametrize(
    ("probabilities", "ranks"),
    [
        ((0.4, 0.3, 0.25), (1, 2)),  # the third is no similar isomer
        ((0.4, 0.2, 0.2), (1, 2)),  # exactly half
        ((0.4, 0.19, 0.19), ()),
        ((0.008, 0.008, 0.008), ()),  # nobody weighs these
        ((None, None, None), ()),  # method glmr
    ],
)
def test_isomers_that_cannot_be_told_apart_are_a_family(
    probabilities: tuple[float | None, ...], ranks: tuple[int, ...], world: World
) -> None:
    candidates = list(make_family(world).candidates.select_related("molecule").order_by("rank"))
    for candidate, probability in zip(candidates, probabilities, strict=True):
        candidate.probability = probability  # not saved: candidates never change
    families = find_families(candidates)
    assert tuple(families) == ranks
    assert {family.ranks for family in families.values()} == ({ranks} if ranks else set())


def test_the_list_names_the_family(world: World) -> None:
    rows = page(world, make_family(world)).all("tr[data-family]")
    assert [(row.get("data-candidate"), row.get("data-family")) for row in rows] == [("1", "1"), ("2", "1")]


def test_a_proposal_has_its_evidence(world: World, matched: Annotation) -> None:
    row = page(world, matched).get("#proposed [data-proposal]")
    cells = {cell.get("data-label"): " ".join(cell.text_content().split()) for cell in row.cssselect("td")}
    assert float(cells["Intensity explained"].split(" ")[0]) > 50
    assert 0 < float(cells["Like rank 1"]) < 1
    assert cells["Log-likelihood"] == "−4.10"


def test_bars_compare_the_candidates_within_a_channel(world: World, matched: Annotation) -> None:
    dom = page(world, matched)
    cells = [
        row.cssselect('td[data-label="Fingerprint"] .bar rect')[1].get("width")
        for row in dom.all("tr[data-candidate]")
    ]
    assert cells[0] == "100"
    assert cells[-1] == "0"


def test_similar_features_and_references_as_a_list_and_as_a_graph(
    world: World, matched: Annotation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = world.client("viewer")
    url = reverse("annotation-similar", args=[matched.public_id])
    # Session, user, annotation; features, two ranges of references.
    with django_assert_num_queries(6):
        response = client.get(url, headers={"HX-Request": "true"})
    dom = Dom(response)
    assert dom.values("[data-similar]", "data-similar") == ["feature", "reference", "reference"]
    assert len(dom.all("circle.node")) == 4
    assert len(dom.all("path.edge")) == 6  # each resembles each
    assert dom.has(f'#similar a[href="{reverse("annotation-detail", args=[world.annotation.public_id])}"]')
    whole = client.get(url)
    assert b"<html" in whole.content
    assert world.client("stranger").get(url).status_code == 404


def test_only_the_same_ion_mode_and_other_features_are_similar(world: World, matched: Annotation) -> None:
    make_annotation(world.job.items.get(state="pending"), adduct="[M-H]-")
    stranger = make_job(1, user=world.people["stranger"])
    make_annotation(stranger.items.get())
    found = load_neighbourhood(matched).features
    assert [row.annotation for row in found] == [world.annotation]
    assert found[0].similarity == pytest.approx(1)


def test_a_spectrum_without_a_precursor_has_no_neighbours(world: World) -> None:
    item = world.job.items.get(state="pending")
    item.spectrum = make_spectrum(item.spectrum.upload, precursor_mz=None)
    item.save()
    annotation = make_annotation(item)
    dom = Dom(world.client("viewer").get(reverse("annotation-similar", args=[annotation.public_id])))
    assert dom.has('[data-empty="similar"]')


def test_the_verdict_names_the_candidate_that_is_shown(world: World) -> None:
    dom = page(world, world.annotation, "?candidate=3")
    assert dom.values("#id_candidate option[selected]", "value") == ["3"]


def test_a_formula_counts_the_candidates_that_are_permanent_ions(world: World) -> None:
    library = make_library_version(["CC(=O)OCC[N+](C)(C)C", "CCO"])
    job = make_job(1, project=world.project, user=world.people["submitter"], library_version=library)
    annotation = make_annotation(job.items.get())
    annotation.formulas.create(
        rank=1,
        formula="C7H16NO2",
        mass_error_ppm=0.0,
        n_explained_peaks=1,
        explained_intensity=1.0,
        probability=0.9,
    )
    row = page(world, annotation).get("[data-formula=C7H16NO2]")
    assert row.cssselect("[data-label=Candidates]")[0].text_content() == "1"
