"""The page of a molecule and the page that searches for molecules."""

from __future__ import annotations

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.http import urlencode

from annotation.models import (
    Library,
    LibraryEntry,
    LibraryVersion,
    Molecule,
    Project,
    ReferenceCollection,
    ReferenceSpectrum,
    ReferenceVersion,
)
from annotation.web.views import molecule_page
from annotation.web.views.molecule_search import EXAMPLES
from tests.annotation.builders import (
    SMILES,
    make_annotation,
    make_importing_version,
    make_job,
    make_library_version,
    make_molecule,
    make_reference_version,
)
from tests.annotation.web.dom import Dom
from tests.annotation.web.world import World

SECRET = "OC(=O)c1ccccc1NC1CCCC1"
ASPIRIN = "BSYNRYMUTXBXSQ"


def page_of(block: str) -> str:
    return reverse("molecule", args=[block])


def search_for(text: str, **parameters: str) -> str:
    return f"{reverse('molecules')}?{urlencode({'q': text, **parameters})}"


def make_references(collection: ReferenceCollection, molecule: Molecule, n: int) -> list[str]:
    """A ready version with n spectra of the molecule; their IDs."""
    version = make_reference_version(collection, state=ReferenceVersion.State.IMPORTING)
    peaks = np.array([50.0, 100.0]).astype("<f8").tobytes()
    rows = ReferenceSpectrum.objects.bulk_create(
        ReferenceSpectrum(
            version=version, position=position, molecule=molecule, title=f"record {position}",
            precursor_mz=181.0, adduct="[M+H]+", origin="test", n_peaks=2, mz_bytes=peaks,
            intensity_bytes=peaks, splash="splash10-x",
        )
        for position in range(n)
    )  # fmt: skip
    ReferenceVersion.objects.filter(pk=version.pk).update(state=ReferenceVersion.State.READY)
    return [str(row.pk) for row in rows]


def test_a_molecule_shows_what_it_is_and_where_it_is_stored(world: World) -> None:
    dom = Dom(world.client("viewer").get(page_of(ASPIRIN)))
    assert dom.text("h1") == "compound 1"
    assert dom.text("[data-value=names]") == "compound 1"
    assert dom.values("[data-entry]", "data-entry") == [str(world.job.library_version_id)]
    assert dom.has("#molecule-drawing img")
    assert len(dom.all("[data-download]")) == 2
    assert dom.values("#results [data-annotation]", "data-annotation") == [str(world.annotation.public_id)]
    assert dom.has("[data-empty=no-references]")


def test_a_whole_inchikey_leads_to_the_page(world: World) -> None:
    response = world.client("viewer").get(page_of(f"{ASPIRIN}-UHFFFAOYSA-N"))
    assert response.headers["Location"] == page_of(ASPIRIN)
    assert world.client("viewer").get(page_of("AAAAAAAAAAAAAA")).status_code == 404


def test_results_of_any_rank_are_shown_on_request(world: World) -> None:
    second = world.annotation.candidates.get(rank=2).molecule.inchikey_first_block
    assert not Dom(world.client("viewer").get(page_of(second))).has("#results [data-annotation]")
    assert Dom(world.client("viewer").get(page_of(second) + "?rank=any")).has("#results [data-annotation]")


def test_results_and_references_come_by_pages_newest_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(molecule_page, "ROWS_PER_PAGE", 2)
    collection = ReferenceCollection.objects.create(name="Standards")
    references = make_references(collection, make_molecule(SMILES[0]), 3)
    job = make_job(2, world.project, library_version=world.job.library_version)
    annotations = [str(make_annotation(item).public_id) for item in job.items.order_by("pk")]
    client, shown_annotations, shown_references = world.client("viewer"), [], []
    dom = Dom(client.get(page_of(ASPIRIN)))
    shown_annotations += dom.values("#results tr[data-annotation]", "data-annotation")
    shown_references += dom.values("[data-reference]", "data-reference")
    for card, shown in (("#results", shown_annotations), ("#references", shown_references)):
        (following,) = dom.values(f"{card} a[rel=next]", "href")
        address = page_of(ASPIRIN) + following.partition("#")[0]
        later = Dom(client.get(address))
        attribute = "data-annotation" if card == "#results" else "data-reference"
        shown += later.values(f"{card} tr[{attribute}]", attribute)
        assert not later.has(f"{card} a[rel=next]")
    assert shown_annotations == [*reversed(annotations), str(world.annotation.public_id)]
    assert shown_references == list(reversed(references))


def test_private_libraries_references_and_results_are_invisible_to_others(world: World) -> None:
    stranger, viewer = world.client("stranger"), world.client("viewer")
    secret = make_library_version((SECRET,), library=Library.objects.create(name="S1", project=world.project))
    collection = ReferenceCollection.objects.create(name="S2", project=world.project)
    known = make_molecule("OC(=O)c1ccccc1NC1CCC1")
    make_references(collection, known, 1)
    for molecule in (make_molecule(SECRET), known):
        page = page_of(molecule.inchikey_first_block)
        assert viewer.get(page).status_code == 200
        assert stranger.get(page).status_code == 404
    found = Dom(stranger.get(search_for(SECRET)))
    assert not found.has("[data-molecule]")
    assert "S1" not in found.text()
    assert Dom(viewer.get(search_for(SECRET))).has("[data-molecule]")
    # A public molecule shows nothing of private records.
    make_library_version((SMILES[0],), library=secret.library)
    make_references(collection, make_molecule(SMILES[0]), 1)
    shown = Dom(stranger.get(page_of(ASPIRIN)))
    assert shown.values("[data-entry]", "data-entry") == [str(world.job.library_version_id)]
    assert not shown.has("[data-reference]")
    assert not shown.has("#results [data-annotation]")
    assert Project.objects.get(pk=world.project.pk).name not in shown.text()


@pytest.mark.parametrize(
    ("text", "kind"),
    [("compound 1", "name"), ("C9H8O4", "formula"), (ASPIRIN, "inchikey"), ("180.0423", "mass")],
)
def test_the_search_page_says_what_it_understood(world: World, text: str, kind: str) -> None:
    dom = Dom(world.client("viewer").get(search_for(text)))
    assert dom.get("[data-understood]").get("data-understood") == kind
    assert ASPIRIN in dom.values("[data-molecule]", "data-molecule")
    assert page_of(ASPIRIN) in dom.values("[data-molecule] th a", "href")


def test_the_search_page_without_a_text_and_with_wrong_ones(world: World) -> None:
    client = world.client("viewer")
    empty = Dom(client.get(reverse("molecules")))
    assert empty.has("#examples")
    assert not empty.has(".errorlist")
    for address in (
        search_for("x", kind="mass"),
        search_for("x", kind="poem"),
        search_for("x", library="?"),
    ):
        dom = Dom(client.get(address))
        assert dom.has(".errorlist"), address
        assert not dom.has("[data-understood]"), address
    assert Dom(client.get(search_for("zzz"))).has("[data-empty=no-molecules]")
    assert Dom(client.get(search_for("compound", after="x"))).has("[data-molecule]")


def test_examples_lead_to_searches(world: World) -> None:
    client = world.client("viewer")
    links = Dom(client.get(reverse("molecules"))).values("#examples a", "href")
    assert len(links) == len(EXAMPLES)
    for link in links:
        assert Dom(client.get(reverse("molecules") + link)).has("[data-understood]"), link


def test_pages_link_to_the_molecule(world: World) -> None:
    client = world.client("viewer")
    for page in (
        reverse("job-detail", args=[world.job.public_id]),
        reverse("annotation-detail", args=[world.annotation.public_id]),
    ):
        assert page_of(ASPIRIN) in Dom(client.get(page)).values("a", "href"), page


def test_the_number_of_queries_does_not_grow(world: World) -> None:
    client, counts = world.client("viewer"), []
    for n_more in (0, 3):
        for _ in range(n_more):
            make_library_version((SMILES[0],), library=world.job.library_version.library)
            job = make_job(1, world.project, library_version=world.job.library_version)
            make_annotation(job.items.get())
        with CaptureQueriesContext(connection) as captured:
            client.get(page_of(ASPIRIN))
        with CaptureQueriesContext(connection) as of_search:
            client.get(search_for("compound"))
        counts.append((len(captured), len(of_search)))
    # Two of the session and one of the workers in the foot, besides those of the pages.
    assert counts == [(8, 8)] * 2


def test_a_molecule_without_a_name_is_called_by_its_identifier(world: World) -> None:
    molecule = make_molecule(SECRET)
    client = world.client("viewer")
    for library, source_id in (("A codes", "X-17"), ("B words", "cyclopentyl acid")):
        version = make_importing_version(Library.objects.create(name=library))
        LibraryEntry.objects.create(
            version=version,
            molecule=molecule,
            exact_mass=molecule.exact_mass,
            row_number=1,
            source_id=source_id,
        )
        LibraryVersion.objects.filter(pk=version.pk).update(state=LibraryVersion.State.READY)
    assert Dom(client.get(page_of(molecule.inchikey_first_block))).text("h1") == "cyclopentyl acid"
    found = Dom(client.get(search_for("X-17", kind="name")))
    assert "cyclopentyl acid" in found.text(f"[data-molecule={molecule.inchikey_first_block}] a")
