"""Structure files are standardised in a child process, and survive rows that kill it."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from models_ml.molecules.readers import StandardRow, StructureFileLimits, StructureIssue, standardised_rows
from models_ml.molecules.structure_text import StructureLimits
from models_ml.unreadable import UnreadableFile

NO_LIMITS = StructureFileLimits(structure=StructureLimits(max_heavy_atoms=10**6, max_text_length=10**6))
CHAIN = "C" * 20_000  # RDKit crashes on it


def test_rows_and_issues_are_in_file_order(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"id,smiles\n1,OCC\n2,nonsense\n3,[Na+].CC([O-])=O\n4,{CHAIN}\n5,\n6,c1ccccc1C\n")
    rows = list(standardised_rows(path))
    assert [row.row_number for row in rows] == [1, 2, 3, 4, 5, 6]
    results = [row.molecule.smiles if isinstance(row, StandardRow) else row.code for row in rows]
    assert results == ["CCO", "unparsable", "CC(=O)O", "too_long", "empty", "Cc1ccccc1"]
    assert [row.source_id for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert all(row.reason and row.remedy for row in rows if isinstance(row, StructureIssue))


ETHANOL_INCHI = "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3"
PROPANOL_INCHI = "InChI=1S/C3H8O/c1-2-3-4/h4H,2-3H2,1H3"


def test_an_inchi_beside_a_smiles_is_compared_and_used(tmp_path: Path) -> None:
    path = tmp_path / "list.tsv"
    rows = [
        ("CCO", ETHANOL_INCHI),
        ("C1CC", ETHANOL_INCHI),
        ("CCO", "InChI=1S/nonsense"),
        ("CCO", PROPANOL_INCHI),
        ("C1CC", "InChI=1S/nonsense"),
        ("C[N+](C)(C)CC(=O)O", "InChI=1S/C5H11NO2/c1-6(2,3)4-5(7)8/h4H2,1-3H3"),  # betaine, both drawings
        ("[O-]CC.[Na+]", "InChI=1S/C2H5O.Na/c1-2-3;/h2H2,1H3;/q-1;+1"),
    ]
    path.write_text("smiles\tinchi\n" + "".join(f"{smiles}\t{inchi}\n" for smiles, inchi in rows))
    results = list(standardised_rows(path))
    assert [row.molecule.smiles if isinstance(row, StandardRow) else row.code for row in results] == [
        "CCO", "CCO", "CCO", "contradiction", "unparsable", "C[N+](C)(C)CC(=O)[O-]", "CCO",
    ]  # fmt: skip
    assert [note.code for note in results[1].notes] == ["inchi_used"]
    assert [note.code for note in results[2].notes] == ["inchi_unreadable"]
    contradiction = results[3]
    assert isinstance(contradiction, StructureIssue)
    assert "C2H6O (LFQSCWFLJHTTHZ)" in contradiction.reason
    assert "C3H8O (BDERNNFJNOPAEC)" in contradiction.reason


@pytest.mark.parametrize("name", ["list.smi", "list.csv"])
def test_chemaxon_extensions_are_read_alike_in_every_format(tmp_path: Path, name: str) -> None:
    structures = ["CCO |$R1$|", "CCN |(0,0,;1,0,;2,0,)| amine", "CCC |Sg:n:0,1:1:ht|", "CCF |$;_AP1$|"]
    path = tmp_path / name
    cells = [f'"{text}"' for text in structures] if name.endswith("csv") else structures
    path.write_text("SMILES\n" + "".join(f"{cell}\n" for cell in cells))
    results = list(standardised_rows(path))
    assert [row.molecule.smiles if isinstance(row, StandardRow) else row.code for row in results] == [
        "CCO", "CCN", "polymer", "attachment_point",
    ]  # fmt: skip
    assert [note.code for row in results for note in row.notes] == ["extension_removed"] * 2


def test_a_row_that_kills_the_child_does_not_affect_other_rows(tmp_path: Path) -> None:
    path = tmp_path / "hostile.smi"
    before = "".join(f"{'C' * number}O a{number}\n" for number in range(1, 101))
    path.write_text(f"{before}{CHAIN} killer\nCCN b1\n{CHAIN} second\nCCCN b2\n")
    rows = list(standardised_rows(path, limits=NO_LIMITS, seconds_per_row=8.0))
    assert [row.row_number for row in rows] == list(range(1, 105))
    issues = [row for row in rows if isinstance(row, StructureIssue)]
    assert [(issue.row_number, issue.position, issue.source_id) for issue in issues] == [
        (101, "line 101", "killer"),
        (103, "line 103", "second"),
    ]
    assert all(issue.code.startswith("stopped_") for issue in issues)


def test_a_file_in_which_every_row_kills_the_child_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hostile.smi"
    path.write_text(f"{CHAIN}\n" * 20)
    with pytest.raises(UnreadableFile, match="Too many structures"):
        list(standardised_rows(path, limits=NO_LIMITS, seconds_per_row=1.0))


def test_errors_of_the_file_reach_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "empty.smi"
    path.write_text("")
    with pytest.raises(UnreadableFile, match="empty"):
        list(standardised_rows(path))


def test_the_shared_library_is_streamed(shared_data: Path) -> None:
    """The first rows arrive before the whole file is read. All are usable."""
    rows = list(islice(standardised_rows(shared_data / "library" / "candidates.smi.gz"), 300))
    assert all(isinstance(row, StandardRow) for row in rows)
    assert rows[0].source_id == "CL000000"
