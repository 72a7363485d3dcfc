"""The search for molecules: each kind of text, what is visible, pages, and limits."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from annotation.libraries.find import answers
from annotation.libraries.find.questions import InvalidSearch, Options
from annotation.libraries.find.search import HitPage, InvalidCursor, search_molecules
from annotation.libraries.patterns import store_patterns
from annotation.models import Library, LibraryEntry, LibraryVersion, Molecule, MoleculeBits
from models_ml.molecules.search_text import SearchKind
from tests.annotation.builders import SMILES, make_importing_version, make_molecule

pytestmark = pytest.mark.django_db
ASPIRIN, CAFFEIC_ACID, OTHER_ACID, CAFFEINE, IBUPROFEN = SMILES
NAMES = {
    ASPIRIN: "Acetylsalicylic acid", CAFFEIC_ACID: "Caffeic acid", CAFFEINE: "Caffeine",
    IBUPROFEN: "Ibuprofen",
}  # fmt: skip


def named_version(smiles: tuple[str, ...] = SMILES, library: Library | None = None) -> LibraryVersion:
    version = make_importing_version(library or Library.objects.create(name="Named"))
    for row, text in enumerate(smiles, 1):
        molecule = make_molecule(text)
        LibraryEntry.objects.create(
            version=version, molecule=molecule, exact_mass=molecule.exact_mass, row_number=row,
            drawn_smiles=text, name=NAMES.get(text, ""), source_id=f"LAB:{row:04d}",
        )  # fmt: skip
    version.state = LibraryVersion.State.READY
    version.save()
    return version


@pytest.fixture
def version() -> LibraryVersion:
    return named_version()


def find(text: str, kind: str = "", **options: object) -> HitPage:
    return search_molecules(
        text, LibraryVersion.objects.all(), kind=SearchKind(kind) if kind else None, **options  # type: ignore[arg-type]
    )  # fmt: skip


def smiles_of(page: HitPage) -> list[str]:
    return [hit.molecule.smiles for hit in page.hits]


def molecules(*smiles: str) -> list[str]:
    return [make_molecule(text).smiles for text in smiles]


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("caffeine", "name", [CAFFEINE]),
        ("caff", "name", [CAFFEINE, CAFFEIC_ACID]),
        ("CAFFEINE", "name", [CAFFEINE]),
        ("acid caff", "name", [CAFFEIC_ACID]),
        ("acid", "name", [CAFFEIC_ACID, ASPIRIN]),  # the shorter name first
        ("LAB:0004", "name", [CAFFEINE]),
        ("feine", "name", []),  # words are found by their beginning
        ("C9H8O4", "formula", [ASPIRIN, CAFFEIC_ACID, OTHER_ACID]),
        ("RYYVLZVUVIJVGH", "inchikey", [CAFFEINE]),
        ("RYYVLZVUVIJVGH-UHFFFAOYSA-N", "inchikey", [CAFFEINE]),
        ("194.0804", "mass", [CAFFEINE]),
        ("194.0900", "mass", []),
        ("194.0900 ± 60 ppm", "mass", [CAFFEINE]),
        ("CN1C=NC2=C1C(=O)N(C)C(=O)N2C", "structure", [CAFFEINE]),
        ("CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)[O-].[Na+]", "structure", [IBUPROFEN]),
        ("[CX3](=O)[OX2H1]", "substructure", [ASPIRIN, CAFFEIC_ACID, OTHER_ACID, IBUPROFEN]),
    ],
)
def test_a_text_is_understood_and_answered(
    version: LibraryVersion, text: str, kind: str, expected: list[str]
) -> None:
    page = find(text)
    assert page.kind == kind
    assert page.understood
    assert sorted(smiles_of(page)) == sorted(molecules(*expected))
    if kind == "name":
        assert smiles_of(page) == molecules(*expected)


@pytest.mark.parametrize("with_patterns", [False, True])
def test_substructures_with_and_without_stored_patterns(version: LibraryVersion, with_patterns: bool) -> None:
    if with_patterns:
        store_patterns(list(Molecule.objects.values_list("pk", flat=True)))
    page = find("c1ccccc1", "substructure")
    masses = [hit.molecule.exact_mass for hit in page.hits]
    assert sorted(smiles_of(page)) == sorted(molecules(ASPIRIN, CAFFEIC_ACID, OTHER_ACID, IBUPROFEN))
    assert masses == sorted(masses)
    assert smiles_of(find("[#7]", "substructure")) == molecules(CAFFEINE)


def test_similar_structures_are_those_of_rdkit(version: LibraryVersion) -> None:
    from rdkit import Chem, DataStructs
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    page = find(ASPIRIN, "similarity", options=Options(at_least=0.2))
    generator = GetMorganGenerator(radius=2, fpSize=2048)
    query = generator.GetFingerprint(Chem.MolFromSmiles(ASPIRIN))
    expected = {
        smiles: DataStructs.TanimotoSimilarity(query, generator.GetFingerprint(Chem.MolFromSmiles(smiles)))
        for smiles in molecules(*SMILES)
    }
    found = {hit.molecule.smiles: hit.similarity for hit in page.hits}
    assert found == pytest.approx({smiles: value for smiles, value in expected.items() if value >= 0.2})
    assert list(found.values()) == sorted(found.values(), reverse=True)  # type: ignore[type-var]
    assert smiles_of(find(ASPIRIN, "similarity", options=Options(at_least=1))) == molecules(ASPIRIN)


def test_every_molecule_has_bits_however_it_is_added(version: LibraryVersion) -> None:
    for molecule in Molecule.objects.select_related("bits"):
        assert molecule.bits.bits == "".join(f"{byte:08b}" for byte in bytes(molecule.fingerprint))
    assert MoleculeBits.objects.count() == Molecule.objects.count() == len(SMILES)


def test_only_ready_versions_of_the_given_libraries_are_searched(version: LibraryVersion) -> None:
    other = named_version((CAFFEINE,), Library.objects.create(name="Other"))
    make_importing_version(Library.objects.create(name="Importing")).entries.create(
        molecule=make_molecule("CCCCCCO"), exact_mass=102.1, row_number=1, name="hexanol"
    )
    (hit,) = find("caffeine").hits
    assert hit.libraries == ["Named", "Other"]
    assert find("hexanol").hits == []
    assert find("C6H14O").hits == []
    only = LibraryVersion.objects.filter(pk=other.pk)
    for text in ("acid", "C9H8O4", "BSYNRYMUTXBXSQ", "180.0423", ASPIRIN):
        assert search_molecules(text, only).hits == [], text
    for kind in (SearchKind.SUBSTRUCTURE, SearchKind.SIMILARITY):
        assert search_molecules(ASPIRIN, only, kind=kind).hits == []
    assert len(search_molecules("[#6]", only).hits) == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("lab", "name"),
        ("C9H8O4", "formula"),
        ("180.0423", "mass"),
        ("C", "substructure"),
        (ASPIRIN, "similarity"),
    ],
)
def test_pages_hold_every_molecule_once_and_in_order(version: LibraryVersion, text: str, kind: str) -> None:
    options = Options(at_least=0.2)
    whole = find(text, kind, options=options)
    assert len(whole.hits) > 1
    seen, cursor, n_pages = [], "", 0
    while cursor or not n_pages:
        page = find(text, kind, options=options, cursor=cursor, limit=1)
        seen += smiles_of(page)
        cursor, n_pages = page.cursor, n_pages + 1
    assert seen == smiles_of(whole)
    assert n_pages == len(whole.hits)


@pytest.mark.parametrize("cursor", ["x", "1", "1_", "nan_1", "inf_1", "1_-1", f"1_{10**30}", "1_2_3"])
def test_a_cursor_that_no_page_gave_is_refused(version: LibraryVersion, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        find("caffeine", cursor=cursor)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("caffeine", "formula", "not a formula"),
        ("caffeine", "mass", "not a mass"),
        ("caffeine", "inchikey", "not an InChIKey"),
        ("C1CC", "structure", "cannot be read"),
        ("C" * 900, "similarity", "the limit is 250"),
        ("[CX3", "substructure", "is not a SMARTS"),
        ("…", "name", "a letter or a digit"),
        ("", "", "what to search for"),
        ("C" * 1001, "", "too long"),
    ],
)
def test_a_text_that_does_not_fit_its_kind_is_refused(text: str, kind: str, message: str) -> None:
    with pytest.raises(InvalidSearch, match=message):
        find(text, kind)


def test_a_smiles_that_is_no_molecule_is_searched_as_a_name(version: LibraryVersion) -> None:
    page = find("C1CC")
    assert (page.kind, page.hits) == (SearchKind.NAME, [])


@pytest.mark.parametrize(
    "text",
    ["caff'", "caff & acid | !x", "caffeine:*", "a%", "a\\", "caff<->acid", "\x00caffeine", "2'(", "x" * 900],
)
def test_characters_with_a_meaning_in_sql_and_in_tsquery_are_text(version: LibraryVersion, text: str) -> None:
    find(text, "name")


def test_a_long_search_pauses_and_the_next_page_continues_it(
    version: LibraryVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "FIRST_EXAMINED", 1)
    monkeypatch.setattr(answers, "MAX_EXAMINED", 2)
    whole: list[str] = []
    notes: list[str] = []
    cursor = ""
    while cursor or not notes:
        page = find("[#7]", "substructure", cursor=cursor)
        whole += smiles_of(page)
        cursor = page.cursor
        notes.append(page.note)
    assert whole == molecules(CAFFEINE)
    assert notes == [answers.STOPPED, answers.STOPPED, ""]


def test_a_search_that_finds_nothing_in_time_is_refused(
    version: LibraryVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "WALL_S", 0.0)
    with pytest.raises(InvalidSearch, match="simpler SMARTS"):
        find("[#7]", "substructure")


@pytest.mark.parametrize(
    ("text", "n_queries"), [("caffeine", 4), ("C9H8O4", 4), ("180.0423", 4), (ASPIRIN, 4), ("[#6]", 5)]
)
def test_the_number_of_queries(
    version: LibraryVersion, django_assert_num_queries: DjangoAssertNumQueries, text: str, n_queries: int
) -> None:
    with django_assert_num_queries(n_queries):
        find(text)
