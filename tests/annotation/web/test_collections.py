"""Pages of libraries and collections: versions, differences, use; lists and pages of reference spectra."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from annotation.libraries import differences as library_differences
from annotation.models import (
    Job,
    JobPreset,
    Library,
    LibraryEntry,
    ReferenceCollection,
    ReferenceIssue,
)
from annotation.references import filter as spectrum_filter
from tests.annotation.builders import (
    make_importing_version,
    make_library_version,
    make_molecule,
    make_project,
    make_reference_spectra,
)
from tests.annotation.web.dom import Dom
from tests.annotation.web.world import World

ASPIRIN, CAFFEINE, ETHANOL = "CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "CCO"


def key(smiles: str) -> str:
    return make_molecule(smiles).inchikey_first_block


def changed(dom: Dom) -> set[str]:
    return {row.get("data-changed") for row in dom.all("[data-changed]")}


def with_entries(library: Library, names: dict[str, str]) -> None:
    """A ready version with these names of molecules."""
    version = make_importing_version(library, source="our inventory", license="CC BY 4.0")
    for row, (smiles, name) in enumerate(names.items(), 1):
        molecule = make_molecule(smiles)
        LibraryEntry.objects.create(
            version=version, molecule=molecule, exact_mass=molecule.exact_mass, row_number=row,
            drawn_smiles=smiles, name=name,
        )  # fmt: skip
    version.n_molecules, version.state = len(names), "ready"
    version.save()


@pytest.fixture
def drugs(db: None) -> Library:
    library = Library.objects.create(name="drugs", license="CC0")
    with_entries(library, {ASPIRIN: "aspirin", ETHANOL: "ethanol"})
    with_entries(library, {ASPIRIN: "acetylsalicylic acid", CAFFEINE: "caffeine"})
    return library


def test_differences_of_two_versions_of_a_library(world: World, drugs: Library) -> None:
    client, page = world.client("viewer"), reverse("library", args=[drugs.pk])
    dom = Dom(client.get(page))
    assert [row.get("data-version") for row in dom.all("[data-version]")] == ["2", "1"]
    assert "CC BY 4.0" in dom.get('[data-version="2"]').text_content()
    counts = [dom.get(f"[data-{name}]").get(f"data-{name}") for name in ("added", "removed", "renamed")]
    assert counts == ["1", "1", "1"]
    assert changed(dom) == {key(CAFFEINE)}
    assert changed(Dom(client.get(f"{page}?show=removed"))) == {key(ETHANOL)}
    renamed = Dom(client.get(f"{page}?show=renamed"))
    assert changed(renamed) == {key(ASPIRIN)}
    assert "aspirin" in renamed.get("[data-changed]").text_content()
    swapped = Dom(client.get(f"{page}?from=2&to=1&show=added"))
    assert changed(swapped) == {key(ETHANOL)}
    for nonsense in ("?from=x&to=99", "?show=nothing", "?after=-1", "?after=99999999999999999999"):
        assert client.get(page + nonsense).status_code == 200


def test_differences_come_in_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library.objects.create(name="chains")
    with_entries(library, {"C": "methane"})
    with_entries(library, {"C" * n: f"alkane {n}" for n in range(2, 7)})
    monkeypatch.setattr(library_differences, "ROWS_PER_PAGE", 2)
    client, address, seen = world.client("viewer"), reverse("library", args=[library.pk]), []
    while address:
        dom = Dom(client.get(address))
        seen += [row.get("data-changed") for row in dom.all("[data-changed]")]
        following = dom.all('#differences a[rel="next"]')
        address = reverse("library", args=[library.pk]) + following[0].get("href") if following else ""
    assert len(seen) == len(set(seen)) == 5


def test_differences_of_two_versions_of_a_collection(world: World) -> None:
    collection = ReferenceCollection.objects.create(name="standards")
    make_reference_spectra(collection, [ASPIRIN, ASPIRIN, ETHANOL])
    make_reference_spectra(collection, [ASPIRIN, CAFFEINE, CAFFEINE])
    client, page = world.client("viewer"), reverse("reference", args=[collection.pk])
    dom = Dom(client.get(page))
    assert [dom.get(f"[data-{name}]").get(f"data-{name}") for name in ("added", "removed")] == ["1", "1"]
    assert not dom.has("[data-renamed]")
    assert changed(dom) == {key(CAFFEINE)}
    assert changed(Dom(client.get(f"{page}?show=removed"))) == {key(ETHANOL)}


def test_where_a_library_is_used_shows_own_projects_only(world: World) -> None:
    version = world.job.library_version
    page = reverse("library", args=[version.library_id])
    values = {"library_version": str(version.pk)}
    JobPreset.objects.create(
        project=world.project, name="Plasma", values=values, saved_by=world.people["submitter"]
    )
    dom = Dom(world.client("viewer").get(page))
    assert dom.get("[data-n-jobs]").get("data-n-jobs") == "1"
    assert (len(dom.all("[data-job]")), len(dom.all("[data-preset]"))) == (1, 1)
    stranger = Dom(world.client("stranger").get(page))
    assert stranger.get("[data-n-jobs]").get("data-n-jobs") == "0"
    assert not stranger.has("[data-job]")
    assert not stranger.has("[data-preset]")
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("query", "positions"),
    [
        ("", ["0", "1", "2"]),
        ("name=test-1", ["1"]),
        ("formula=C9H8O4", ["0"]),
        ("precursor_mz=195.0877&tolerance_ppm=20", ["1"]),
        ("formula=nonsense1", ["0", "1", "2"]),  # marked as wrong, filters nothing
        ("precursor_mz=1e400", ["0", "1", "2"]),
        ("after=1", ["2"]),
    ],
)
def test_filtering_the_spectra_of_a_version(world: World, query: str, positions: list[str]) -> None:
    version = make_reference_spectra(
        ReferenceCollection.objects.create(name="standards"), [ASPIRIN, CAFFEINE, ETHANOL]
    )
    dom = Dom(world.client("viewer").get(f"{reverse('reference-version', args=[version.pk])}?{query}"))
    assert [row.get("data-spectrum") for row in dom.all("[data-spectrum]")] == positions


def test_filtering_by_inchikey_and_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrum_filter, "ROWS_PER_PAGE", 2)
    version = make_reference_spectra(
        ReferenceCollection.objects.create(name="standards"), [ASPIRIN, CAFFEINE, CAFFEINE, CAFFEINE]
    )
    client, page = world.client("viewer"), reverse("reference-version", args=[version.pk])
    dom = Dom(client.get(f"{page}?inchikey={key(CAFFEINE)}"))
    assert dom.get("[data-total]").get("data-total") == "3"
    assert len(dom.all("[data-spectrum]")) == 2
    following = dom.get('a[rel="next"]').get("href")
    assert [row.get("data-spectrum") for row in Dom(client.get(page + following)).all("[data-spectrum]")] == [
        "3"
    ]


def test_one_reference_spectrum(world: World) -> None:
    version = make_reference_spectra(ReferenceCollection.objects.create(name="standards"), [ASPIRIN])
    address = reverse("reference-spectrum", args=[version.spectra.get().pk])
    dom = Dom(world.client("viewer").get(address))
    assert dom.has("[data-spectrum-plot]")
    assert len(dom.all("[data-peak]")) == 2
    text = dom.get("main").text_content()
    for stated in ("MSBNK-TEST-0", "CC BY", "A. Chemist", "file.mgf, spectrum 1", key(ASPIRIN)):
        assert stated in text


def test_private_libraries_and_spectra_of_others_do_not_exist(world: World) -> None:
    other = make_project()
    library = make_library_version(library=Library.objects.create(name="theirs", project=other)).library
    collection = ReferenceCollection.objects.create(name="their standards", project=other)
    version = make_reference_spectra(collection, [ASPIRIN])
    client = world.client("viewer")
    for name, pk in (
        ("library", library.pk),
        ("reference", collection.pk),
        ("reference-version", version.pk),
        ("reference-issues-csv", version.pk),
        ("reference-spectrum", version.spectra.get().pk),
    ):
        assert client.get(reverse(name, args=[pk])).status_code == 404


def test_rejected_spectra_are_listed_and_downloaded(world: World) -> None:
    version = make_reference_spectra(
        ReferenceCollection.objects.create(name="standards"), [ASPIRIN], n_rejected=1
    )
    assert version.n_rejected == 1
    ReferenceIssue.objects.create(version=version, position="spectrum 2", code="no_peaks", reason="=1+1")
    client = world.client("viewer")
    dom = Dom(client.get(reverse("reference-version", args=[version.pk])))
    assert dom.get("[data-issue-code]").get("data-issue-code") == "no_peaks"
    answer = client.get(reverse("reference-issues-csv", args=[version.pk]))
    assert b"spectrum 2,no_peaks,'=1+1" in b"".join(answer.streaming_content)  # type: ignore[attr-defined]


@pytest.mark.parametrize("n_molecules", [2, 40])
def test_the_number_of_queries_does_not_depend_on_the_rows(
    world: World, n_molecules: int, django_assert_num_queries: Any
) -> None:
    chains = ["C" * n for n in range(1, n_molecules + 1)]
    library = make_library_version(["N"], library=Library.objects.create(name="chains")).library
    make_library_version(chains, library=library)
    collection = ReferenceCollection.objects.create(name="standards")
    make_reference_spectra(collection, ["N"])
    version = make_reference_spectra(collection, chains)
    client = world.client("viewer")
    pages = {
        reverse("library", args=[library.pk]): 10,
        reverse("reference", args=[collection.pk]): 11,
        reverse("reference-version", args=[version.pk]): 7,
        reverse("reference-spectrum", args=[version.spectra.get(position=0).pk]): 4,
    }
    for address, n in pages.items():
        with django_assert_num_queries(n):
            assert client.get(address).status_code == 200
