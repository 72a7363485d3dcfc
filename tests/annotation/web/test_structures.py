"""Pictures of structures: who may see them, who may cache them, and what has none."""

from __future__ import annotations

from django.urls import reverse

from annotation.models import Library, LibraryVersion
from tests.annotation.builders import make_library_version, make_molecule
from tests.annotation.web.dom import Response
from tests.annotation.web.world import World

SECRET = "OC(=O)c1ccccc1NC1CCCC1"


def url_of(inchikey_first_block: str) -> str:
    return reverse("molecule-svg", args=[inchikey_first_block])


def picture(world: World, person: str, url: str) -> Response:
    return world.client(person).get(url)


def test_a_structure_is_an_svg_that_only_the_browser_may_cache(world: World) -> None:
    response = picture(world, "viewer", url_of(make_molecule().inchikey_first_block))
    assert response.headers["Content-Type"] == "image/svg+xml"
    assert response.content.lstrip().startswith(b"<svg")
    assert "private" in response.headers["Cache-Control"]
    assert "max-age=" in response.headers["Cache-Control"]


def test_a_fragment_can_be_highlighted(world: World) -> None:
    url = url_of(make_molecule().inchikey_first_block)
    plain, highlighted = picture(world, "viewer", url), picture(world, "viewer", url + "?atoms=0.1.2")
    assert plain.content != highlighted.content
    assert picture(world, "viewer", url + "?atoms=9999.x.-1.99").status_code == 200


def test_molecules_of_a_private_library_stay_private(world: World) -> None:
    library = Library.objects.create(name="Secret", project=world.project)
    make_library_version((SECRET,), library=library)
    url = url_of(make_molecule(SECRET).inchikey_first_block)
    assert picture(world, "viewer", url).status_code == 200
    assert picture(world, "stranger", url).status_code == 404
    page = reverse("library-version", args=[LibraryVersion.objects.get(library=library).pk])
    assert world.client("viewer").get(page).status_code == 200
    assert world.client("stranger").get(page).status_code == 404
    assert "Secret" not in world.client("stranger").get(reverse("libraries")).content.decode()


def test_unknown_and_invalid_structures_are_404(world: World) -> None:
    annotation = world.annotation
    annotation.generated.create(beam_rank=2, text="C1CC(", log_likelihood=-9.0)
    for url in (
        url_of("AAAAAAAAAAAAAA"),
        reverse("generated-svg", args=[annotation.public_id, 77]),
        reverse("generated-svg", args=[annotation.public_id, 2]),
    ):
        assert picture(world, "viewer", url).status_code == 404
