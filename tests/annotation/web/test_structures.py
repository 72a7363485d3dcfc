"""Structure pictures: drawn for those who may see the molecule, kept by their browser alone."""

from __future__ import annotations

from django.urls import reverse

from annotation.models import Library, LibraryVersion
from tests.annotation.builders import make_library_version, make_molecule
from tests.annotation.web.world import World

SECRET = "OC(=O)c1ccccc1NC1CCCC1"


def url_of(block: str) -> str:
    return reverse("molecule-svg", args=[block])


def test_a_structure_is_an_svg_that_may_be_kept(world: World) -> None:
    block = make_molecule().inchikey_first_block
    response = world.client("viewer").get(url_of(block))
    assert response.headers["Content-Type"] == "image/svg+xml"
    assert response.content.lstrip().startswith(b"<svg")
    assert "private" in response.headers["Cache-Control"]
    assert "max-age=" in response.headers["Cache-Control"]


def test_a_fragment_can_be_marked(world: World) -> None:
    block = make_molecule().inchikey_first_block
    client = world.client("viewer")
    plain, marked = client.get(url_of(block)), client.get(url_of(block) + "?atoms=0.1.2")
    assert plain.content != marked.content
    assert client.get(url_of(block) + "?atoms=9999.x.-1.99").status_code == 200


def test_molecules_of_a_private_library_stay_private(world: World) -> None:
    library = Library.objects.create(name="Secret", project=world.project)
    make_library_version((SECRET,), library=library)
    block = make_molecule(SECRET).inchikey_first_block
    assert world.client("viewer").get(url_of(block)).status_code == 200
    assert world.client("stranger").get(url_of(block)).status_code == 404
    version = LibraryVersion.objects.get(library=library)
    page = reverse("library-version", args=[version.pk])
    assert world.client("viewer").get(page).status_code == 200
    assert world.client("stranger").get(page).status_code == 404
    assert "Secret" not in world.client("stranger").get(reverse("libraries")).content.decode()


def test_unknown_and_unfit_structures_are_404(world: World) -> None:
    client = world.client("viewer")
    assert client.get(url_of("AAAAAAAAAAAAAA")).status_code == 404
    assert client.get(reverse("generated-svg", args=[world.annotation.public_id, 77])).status_code == 404
    world.annotation.generated.create(beam_rank=2, text="C1CC(", log_likelihood=-9.0)
    assert client.get(reverse("generated-svg", args=[world.annotation.public_id, 2])).status_code == 404
