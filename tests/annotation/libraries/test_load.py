"""Importing libraries: one molecule per first block, rejected rows, version numbers, failed versions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection

from annotation.libraries import import_lock, load
from annotation.libraries.import_options import CannotImport
from annotation.libraries.load import import_library
from annotation.models import LibraryEmbedding, LibraryEntry, LibraryVersion, Molecule
from tests.annotation.builders import make_model_version, make_project

pytestmark = pytest.mark.django_db

SMILES_FILE = """\
CC(=O)Oc1ccccc1C(=O)O aspirin
C[C@H](N)C(=O)O L-alanine
C[C@@H](N)C(=O)O D-alanine
not-a-structure broken
CC(=O)Oc1ccccc1C(=O)[O-].[Na+] sodium salt of aspirin
"""


@pytest.fixture
def smiles_file(tmp_path: Path) -> Path:
    path = tmp_path / "library.smi"
    path.write_text(SMILES_FILE)
    return path


def test_one_molecule_per_first_block_with_the_structure_as_drawn(smiles_file: Path) -> None:
    version = import_library("drugs", smiles_file, license="CC0")

    assert (version.state, version.number, version.library.license) == ("ready", 1, "CC0")
    counts = (version.n_rows, version.n_molecules, version.n_merged, version.n_rejected)
    assert counts == (5, 2, 2, 1)
    alanine = LibraryEntry.objects.get(version=version, row_number=2)
    assert alanine.molecule.smiles == "CC(N)C(=O)O"
    assert "@" in alanine.drawn_smiles
    assert alanine.exact_mass == pytest.approx(89.04768, abs=1e-4)
    issue = version.issues.get()
    assert (issue.row_number, bool(issue.reason), bool(issue.remedy)) == (4, True, True)


def test_equal_content_gives_a_new_version_with_an_equal_hash(smiles_file: Path, tmp_path: Path) -> None:
    first = import_library("drugs", smiles_file)
    other_order = tmp_path / "other.smi"
    other_order.write_text("OC(=O)C(C)N\nCC(=O)Oc1ccccc1C(=O)O\n")

    second = import_library("drugs", other_order)

    assert (second.number, second.library) == (2, first.library)
    assert second.content_sha256 == first.content_sha256
    assert second.source_sha256 != first.source_sha256
    assert Molecule.objects.count() == 2  # shared
    assert first.entries.count() == second.entries.count() == 2


def test_the_result_does_not_depend_on_the_batch_size(
    smiles_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "ROWS_AT_ONCE", 1)
    seen: list[int] = []

    version = import_library("drugs", smiles_file, progress=seen.append)

    assert (version.n_molecules, version.n_merged, version.n_rejected) == (2, 2, 1)
    assert seen == [1, 2, 3, 4, 5, 5]


def test_all_bad_rows_are_counted_and_a_limited_number_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "MAX_STORED_ISSUES", 3)
    path = tmp_path / "bad.smi"
    # Readers refuse a file if its first rows are mostly no structures, so the bad rows come last.
    path.write_text("CCO\n" * 30 + "C1CCC\n" * 10)

    version = import_library("mostly bad", path)

    assert (version.state, version.n_rejected, version.issues.count()) == ("ready", 10, 3)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01" * 100, b"C1CC\nC1CC\n"], ids=["empty", "binary", "all bad"]
)
def test_a_file_without_structures_fails_only_its_version(
    smiles_file: Path, tmp_path: Path, content: bytes
) -> None:
    good = import_library("drugs", smiles_file)
    path = tmp_path / "bad.smi"
    path.write_bytes(content)

    failed = import_library("drugs", path)

    assert (failed.state, failed.number, failed.entries.count()) == ("failed", 2, 0)
    assert len(failed.failure) > 20
    good.refresh_from_db()
    assert (good.state, good.entries.count()) == ("ready", 2)


def test_too_many_rows_fail_the_version(smiles_file: Path, settings: object) -> None:
    settings.GLMR_MAX_LIBRARY_ROWS = 3  # type: ignore[attr-defined]

    failed = import_library("drugs", smiles_file)

    assert "GLMR_MAX_LIBRARY_ROWS" in failed.failure
    assert not LibraryEntry.objects.exists()


def test_an_unexpected_error_fails_the_version_and_is_raised(
    smiles_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "content_sha256", lambda version: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        import_library("drugs", smiles_file)

    version = LibraryVersion.objects.get()
    assert (version.state, version.entries.count()) == ("failed", 0)


def test_a_name_belongs_to_one_project(smiles_file: Path) -> None:
    import_library("ours", smiles_file, project=make_project())

    with pytest.raises(CannotImport, match="Choose another name"):
        import_library("ours", smiles_file, project=make_project())


def test_embedding_for_the_default_model_is_requested(smiles_file: Path) -> None:
    model = make_model_version(is_default=True)

    version = import_library("drugs", smiles_file)

    assert LibraryEmbedding.objects.get(version=version).model_version == model


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_get_two_numbers_and_share_their_molecules(smiles_file: Path) -> None:
    def run(_: int) -> int:
        version = import_library("drugs", smiles_file)
        connection.close()
        assert version.state == "ready"
        return version.number

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(run, range(2))) == [1, 2]
    assert Molecule.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_an_import_whose_process_died_fails_and_a_running_import_does_not(smiles_file: Path) -> None:
    library = import_library("drugs", smiles_file).library
    unfinished = [
        LibraryVersion.objects.create(library=library, number=n, source_file_name="x", source_sha256="0" * 64)
        for n in (2, 3)
    ]

    def hold_and_import_another() -> None:
        with import_lock.held(unfinished[1].pk), ThreadPoolExecutor(1) as other:
            other.submit(import_and_disconnect).result()
        connection.close()

    def import_and_disconnect() -> None:
        import_library("drugs", smiles_file)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(hold_and_import_another).result()

    states = library.versions.order_by("number").values_list("state", flat=True)
    assert list(states) == ["ready", "failed", "importing", "ready"]


def test_what_was_changed_is_stored_with_the_version(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    salts = "".join(f"{'C' * length}(=O)[O-].[Na+],{length},\n" for length in range(2, 7))
    path.write_text(f"SMILES,ID,Formula\n{salts}[CH3:1]CO,7,\nCCO,8,C9H8O4\nC[Hg]Cl,9,\n")

    version = import_library("notes", path)

    version.refresh_from_db()
    notes = {note["code"]: note for note in version.import_notes}
    assert list(notes) == ["fragments_removed", "atom_maps_removed", "formula_differs", "metal_kept"]
    assert notes["fragments_removed"]["count"] == 5
    assert notes["fragments_removed"]["examples"][0] == "line 2: CC(=O)[O-].[Na+] → CC(=O)O"
    assert len(notes["fragments_removed"]["examples"]) == 3
    assert notes["atom_maps_removed"]["examples"] == ["line 7: CCO"]
    assert notes["formula_differs"]["examples"] == ["line 8"]
    assert all(set(note) == {"code", "text", "count", "examples"} for note in notes.values())


def test_the_examples_of_a_long_structure_stay_short(tmp_path: Path) -> None:
    path = tmp_path / "long.smi"
    path.write_text(f"{'C' * 200}(=O)[O-].[Na+] long\n")
    [note] = import_library("long", path).import_notes
    assert len(note["examples"][0]) <= 300
    assert "…" in note["examples"][0]
