"""The search for molecules and one molecule, over REST."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from annotation.models import Library, Project
from annotation.review.actions import decide
from tests.annotation.api.world import World, client_for
from tests.annotation.builders import (
    SMILES,
    make_annotation,
    make_job,
    make_library_version,
    make_project,
    make_user,
)

CAFFEINE = SMILES[3]
SECRET = "OC(=O)c1ccccc1NC1CCCC1"


def search(client: APIClient, **parameters: object) -> dict:  # type: ignore[type-arg]
    answer = client.get("/api/v1/molecules", parameters)
    assert answer.status_code == 200, answer.content
    return answer.json()  # type: ignore[no-any-return]


def test_a_search_says_how_it_understood_the_text(world: World, client: APIClient) -> None:
    page = search(client, q="C9H8O4")
    assert (page["kind"], page["alternatives"], page["note"]) == ("formula", ["name"], "")
    assert "C9H8O4" in page["understood"]
    assert len(page["results"]) == 3
    assert page["results"][0]["libraries"] == [world.version.library.name]
    assert client.get(page["results"][0]["url"]).json()["formula"] == "C9H8O4"


def test_each_kind_has_its_number(world: World, client: APIClient) -> None:
    (hit,) = search(client, q="194.08", ppm=10)["results"]
    assert hit["mass_error_ppm"] == pytest.approx(1.9, abs=0.5)
    assert hit["similarity"] is None
    (hit,) = search(client, q=CAFFEINE, kind="similarity", min_similarity=0.9)["results"]
    assert hit["similarity"] == pytest.approx(1)


def test_pages_follow_next(world: World, client: APIClient) -> None:
    names, path = [], "/api/v1/molecules?q=compound&limit=2"
    while path:
        page = client.get(path).json()
        names += [hit["names"][0] for hit in page["results"]]
        path = page["next"]
    assert sorted(names) == [f"compound {row}" for row in range(1, 6)]


@pytest.mark.parametrize(
    ("query", "status", "pointer"),
    [
        ("", 422, "/q"),
        ("q=", 422, "/q"),
        ("q=caffeine&kind=poem", 422, "/kind"),
        ("q=caffeine&kind=mass", 422, "/q"),
        ("q=caffeine&library=Unknown", 422, "/library"),
        ("q=194.08&ppm=0", 422, "/ppm"),
        ("q=CCO&kind=similarity&min_similarity=2", 422, "/min_similarity"),
        ("q=%5BCX3&kind=substructure", 422, "/q"),
        ("q=caffeine&cursor=x", 400, ""),
        ("q=caffeine&limit=0", 400, ""),
    ],
)
def test_what_cannot_be_searched_is_a_problem(
    world: World, client: APIClient, query: str, status: int, pointer: str
) -> None:
    answer = client.get(f"/api/v1/molecules?{query}")
    assert answer.status_code == status, answer.content
    assert [error["pointer"] for error in answer.json().get("errors", [])] == ([pointer] if pointer else [])


def test_a_molecule_has_its_libraries_references_and_results(world: World, client: APIClient) -> None:
    job = make_job(1, world.project, world.user, model_version=world.model, library_version=world.version)
    annotation = make_annotation(job.items.get())
    decide(annotation=annotation, user=world.user, decision="accept", seen_verdict_id=None)
    block = annotation.top_molecule.inchikey_first_block  # type: ignore[union-attr]
    shown = client.get(f"/api/v1/molecules/{block}-UHFFFAOYSA-N").json()
    assert shown["names"] == ["compound 1"]
    assert shown["libraries"][0]["version"] == 1
    assert client.get(shown["libraries"][0]["version_url"]).status_code == 200
    (mention,) = shown["annotations"]
    assert (mention["annotation"], mention["verdict"]) == (str(annotation.public_id), "accept")
    assert client.get(mention["url"]).status_code == 200
    assert shown["reference_spectra"] == []


def test_private_molecules_and_results_stay_private(world: World, client: APIClient) -> None:
    library = Library.objects.create(name="Secret", project=world.project)
    version = make_library_version((SECRET, CAFFEINE), library=library)
    make_annotation(
        make_job(1, world.project, world.user, model_version=world.model, library_version=version).items.get()
    )
    address = urlsplit(search(client, q=SECRET)["results"][0]["url"]).path
    assert len(client.get(address).json()["annotations"]) == 1
    other = make_user()
    stranger = client_for(make_project(other), other)
    assert stranger.get(address).status_code == 404
    for kind in ("structure", "substructure", "similarity"):
        assert search(stranger, q=SECRET, kind=kind)["results"] == [], kind
    assert search(stranger, q="compound 1")["results"][0]["libraries"] == [world.version.library.name]
    assert stranger.get("/api/v1/molecules?q=x&library=Secret").status_code == 422
    caffeine = stranger.get(f"/api/v1/molecules/{'RYYVLZVUVIJVGH'}").json()
    assert [entry["library"] for entry in caffeine["libraries"]] == [world.version.library.name]
    assert caffeine["annotations"] == []


def test_a_token_sees_only_what_its_project_sees(world: World, client: APIClient) -> None:
    mine: Project = make_project(world.user)
    library = Library.objects.create(name="Mine", project=mine)
    make_library_version((SECRET,), library=library)
    assert search(client, q=SECRET)["results"] == []
    assert len(search(client_for(mine, world.user), q=SECRET)["results"]) == 1


def test_the_number_of_queries(
    world: World, client: APIClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.get("/api/v1/projects")  # notes the use of the token
    with django_assert_num_queries(6):  # the token, the libraries, and four of the search
        search(client, q="compound")
    for _ in range(3):
        job = make_job(1, world.project, world.user, model_version=world.model, library_version=world.version)
        make_annotation(job.items.get())
    with django_assert_num_queries(6):  # the token, molecule, entries, references, results and verdicts
        client.get("/api/v1/molecules/BSYNRYMUTXBXSQ")
