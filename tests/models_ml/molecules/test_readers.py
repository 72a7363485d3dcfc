"""Structure files of all common formats are read row by row, or refused with position and remedy."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from rdkit import Chem

from models_ml.molecules.readers import StructureFileLimits, StructureIssue, StructureRow, read_structures
from models_ml.unreadable import UnreadableFile

CAFFEINE = "Cn1cnc2c1c(=O)n(C)c(=O)n2C"
CAFFEINE_INCHI = "InChI=1S/C8H10N4O2/c1-10-4-9-6-5(10)7(13)12(3)8(14)11(6)2/h4H,1-3H3"
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "structures.dat"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def summary(path: Path) -> list[tuple[str, str, str]]:
    """(structure or issue code, identifier, name) of each row; molfiles as SMILES."""
    rows = []
    for row in read_structures(path):
        if isinstance(row, StructureIssue):
            rows.append((row.code, row.source_id, ""))
            continue
        text = row.structure
        if row.format == "molfile":
            text = Chem.MolToSmiles(Chem.MolFromMolBlock(text))
        rows.append((text, row.source_id, row.name))
    return rows


SMILES_FILES = [
    f"{CAFFEINE}\tC1\tcaffeine\n{ASPIRIN}\tA1\taspirin\n",
    f"# comment\n\n{CAFFEINE}\tC1\tcaffeine\r\n{ASPIRIN}\tA1\taspirin",
    f"smiles\tid\tname\n{CAFFEINE}\tC1\tcaffeine\n{ASPIRIN}\tA1\taspirin\n",
]
TABLES = [
    f"id,name,SMILES\nC1,caffeine,{CAFFEINE}\nA1,aspirin,{ASPIRIN}\n",
    f"\ufeffCompound_ID;Compound Name;Canonical SMILES\nC1;caffeine;{CAFFEINE}\nA1;aspirin;{ASPIRIN}\n",
    f"ID|Title|smiles|mass\nC1|caffeine|{CAFFEINE}|194\n\nA1|aspirin|{ASPIRIN}|180\n",
    f'"SMILES","ID","Name","N"\n"{CAFFEINE}","C1","caffeine","a,b"\n"{ASPIRIN}","A1","aspirin","c\nd"\n',
    f"cas\tdrawing\tlabel\nC1\t{CAFFEINE}\tcaffeine\nA1\t{ASPIRIN}\taspirin\n",  # found by content
]


@pytest.mark.parametrize("content", SMILES_FILES + TABLES)
@pytest.mark.parametrize("packed", [False, True])
def test_every_format_of_the_same_list_gives_the_same_rows(write: Write, content: str, packed: bool) -> None:
    path = write(gzip.compress(content.encode()) if packed else content)
    assert summary(path) == [(CAFFEINE, "C1", "caffeine"), (ASPIRIN, "A1", "aspirin")]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_names_keep_their_letters_in_every_encoding(write: Write, encoding: str) -> None:
    assert summary(write(f"smiles,name\n{ASPIRIN},Säure\n".encode(encoding))) == [(ASPIRIN, "", "Säure")]


def test_the_rest_of_a_line_after_a_blank_is_the_identifier(write: Write) -> None:
    # The ChemAxon extension stays until the structure is parsed: it can state that this is a polymer.
    assert summary(write(f"{ASPIRIN} acetylsalicylic acid\n{CAFFEINE} |r| caff\nCCO\n")) == [
        (ASPIRIN, "acetylsalicylic acid", ""),
        (f"{CAFFEINE} |r|", "caff", ""),
        ("CCO", "", ""),
    ]


def test_inchi_with_commas_needs_quotation_marks(write: Write) -> None:
    path = write(f'id,inchi\nC1,"{CAFFEINE_INCHI}"\nC2,{CAFFEINE_INCHI}\nC3,\n')
    rows = list(read_structures(path))
    assert isinstance(rows[0], StructureRow)
    assert (rows[0].structure, rows[0].format) == (CAFFEINE_INCHI, "inchi")
    assert [row.code for row in rows[1:] if isinstance(row, StructureIssue)] == ["too_many_cells", "empty"]
    assert rows[1].position == "line 3"
    assert "quotation marks" in rows[1].remedy  # type: ignore[union-attr]


def test_an_empty_smiles_cell_falls_back_to_the_inchi(write: Write) -> None:
    path = write(f"smiles\tinchi\n{ASPIRIN}\t\n\t{CAFFEINE_INCHI}\n")
    assert [row[0] for row in summary(path)] == [ASPIRIN, CAFFEINE_INCHI]


def test_an_open_quotation_mark_costs_its_own_line_only(write: Write) -> None:
    filler = "\n".join(f"{CAFFEINE},x{number}" for number in range(6000))
    rows = summary(write(f'smiles,id\n{ASPIRIN},A1\n"{ASPIRIN},A2\n{filler}\n'))
    assert rows[0] == (ASPIRIN, "A1", "")
    assert rows[1][0] == "bad_row"
    assert rows[2:] == [(CAFFEINE, f"x{number}", "") for number in range(6000)]


def test_quotation_marks_and_apostrophes_in_names(write: Write) -> None:
    content = (
        "smiles,name\n"
        'CCO,5" nail\n'
        "CCN,5'-AMP\n"
        'CCC,"two ""inches"" long"\n'
        'CCCC,"first\nsecond"\n'
        'CCCO,"never closed\n'  # the next line has a mark at its end, but is a row by itself
        'CCCN,closed"\n'
        "CCCCC,end\n"
    )
    assert [(row[0], row[2]) for row in summary(write(content))] == [
        ("CCO", '5" nail'),
        ("CCN", "5'-AMP"),
        ("CCC", 'two "inches" long'),
        ("CCCC", "first\nsecond"),
        ("bad_row", ""),
        ("CCCN", 'closed"'),
        ("CCCCC", "end"),
    ]
    tabs = f'smiles\tid\tname\n{ASPIRIN}\tA1\t"5 inch\nCCO\tE1\tethanol\n'
    assert summary(write(tabs)) == [(ASPIRIN, "A1", '"5 inch'), ("CCO", "E1", "ethanol")]


def test_many_open_quotation_marks_take_linear_time(write: Write) -> None:
    rows = summary(write("smiles,name\n" + 'CCO,"a ""b\n' * 20_000))
    assert len(rows) == 20_000
    assert {row[0] for row in rows} == {"bad_row"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{0},asp,X1\n{1},caf,X2\nCCO,ethanol,X3\n", [("X1", "asp"), ("X2", "caf"), ("X3", "ethanol")]),
        ("X1\tasp\t{0}\nX2\tcaf\t{1}\n", [("X1", "asp"), ("X2", "caf")]),
        ("{0};180.04;50-78-2;aspirin\n{1};194.08;58-08-2;caffeine\n",
         [("50-78-2", "aspirin"), ("58-08-2", "caffeine")]),
        ("{0},aspirin\n", [("", "aspirin")]),
        ("{0}\taspirin, 99 %\tcaf\nCCO\tethanol\tX\n", [("caf", "aspirin, 99 %"), ("X", "ethanol")]),
        ("# list\n{0},asp,X1\n{1},caf,X2\n", [("X1", "asp"), ("X2", "caf")]),
    ],
)  # fmt: skip
def test_a_table_without_heading_keeps_its_first_row_and_names(
    write: Write, content: str, expected: list[tuple[str, str]]
) -> None:
    path = write(content.format(ASPIRIN, CAFFEINE))
    rows = summary(path)
    assert rows[0][0] == ASPIRIN
    assert [row[1:] for row in rows] == expected
    first, *others = read_structures(path)
    assert [note.code for note in first.notes] == ["no_heading"]
    assert "as SMILES" in first.notes[0].text
    assert not any(row.notes for row in others)


def test_a_wrong_structure_in_the_first_row_is_not_a_heading(write: Write) -> None:
    rows = summary(write(f"C1CC,broken,X1\n{CAFFEINE},caf,X2\n{ASPIRIN},asp,X3\n"))
    assert [row[0] for row in rows] == ["C1CC", CAFFEINE, ASPIRIN]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\r\r\n"])
def test_every_line_break_is_understood(write: Write, line_break: str) -> None:
    content = line_break.join(["smiles,id,name", f"{CAFFEINE},C1,caffeine", f"{ASPIRIN},A1,aspirin", ""])
    assert summary(write(content)) == [(CAFFEINE, "C1", "caffeine"), (ASPIRIN, "A1", "aspirin")]


def test_each_line_has_its_own_encoding(write: Write) -> None:
    head = "smiles,name\n" + f"{CAFFEINE},caffeine\n" * 3000  # more than 64 kB
    rows = summary(write(head.encode() + "CCO,Säure\n".encode("cp1252") + "CCN,Säure €\n".encode()))
    assert [row[2] for row in rows[-2:]] == ["Säure", "Säure €"]


def sd_record(smiles: str, title: str = "", properties: str = "", v3000: bool = False) -> str:
    mol = Chem.MolFromSmiles(smiles)
    mol.SetProp("_Name", title)
    molfile = str(Chem.MolToV3KMolBlock(mol) if v3000 else Chem.MolToMolBlock(mol))
    return molfile + properties + "$$$$\n"


def test_a_bad_sdf_record_does_not_affect_the_others(write: Write) -> None:
    cut = "\n".join(sd_record("CCO", "broken").splitlines()[:6]) + "\n$$$$\n"
    content = (
        sd_record("CCO", "ethanol", "> <Compound_ID>\nE1\n\n> <note>\nany\nthing\n\n")
        + cut
        + sd_record("CCN", "ethylamine", v3000=True)
        + sd_record("CCC", "P", ">  <ID> (3)\nP1\n\n> <NAME>\npropane\n\n")
    )
    expected = [("CCO", "E1", "ethanol"), ("truncated_record", "broken", "")]
    expected += [("CCN", "ethylamine", ""), ("CCC", "P1", "propane")]
    assert summary(write(content)) == expected
    assert summary(write(content.replace("\n", "\r\n"))) == expected
    assert summary(write(gzip.compress(content.removesuffix("$$$$\n").encode()))) == expected
    issue = list(read_structures(write(content)))[1]
    assert issue.position.startswith("record 2 (line ")


def test_a_record_without_end_is_limited(write: Write) -> None:
    content = sd_record("CCO") + "x" * 50 + "\n" + ("y" * 70 + "\n") * 1000 + "$$$$\n" + sd_record("CCN")
    rows = list(read_structures(write(content), limits=StructureFileLimits(max_record_length=5_000)))
    assert [getattr(row, "code", "ok") for row in rows] == ["ok", "too_long", "ok"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"  \n \n", "empty"),
        (b"smiles,id\n", "only a heading"),
        (b"\x00\x01\x02\x03" * 100, "binary"),
        (b"PK\x03\x04" + b"\0" * 50, "zip archive or a spreadsheet"),
        (b"%PDF-1.7\n", "PDF"),
        (b"mass,title\n12.1,x\n13.4,y\n", "'mass', 'title'"),
        (b"Dear colleagues,\nplease find enclosed\nthe list of compounds.\n", "Dear colleagues,"),
        (b"BEGIN IONS\nPEPMASS=195.1\n100 1\nEND IONS\n", "spectra, not structures"),
    ],
)
def test_a_file_without_structures_is_refused_with_what_it_is(
    write: Write, content: bytes, what: str
) -> None:
    with pytest.raises(UnreadableFile) as caught:
        list(read_structures(write(content)))
    assert what in caught.value.what
    assert "structures.dat" in caught.value.where
    assert caught.value.remedy


def test_a_truncated_gzip_gives_its_rows_and_then_an_error(write: Write) -> None:
    lines = "".join(f"{'C' * (3 + number % 40)}O\tX{number * 7919 % 10007}\n" for number in range(20_000))
    whole = gzip.compress(lines.encode())
    rows: Iterator[StructureRow | StructureIssue] = read_structures(write(whole[: len(whole) // 2]))
    assert all(isinstance(row, StructureRow) for row in islice(rows, 1000))
    with pytest.raises(UnreadableFile, match="damaged"):
        list(rows)
    with pytest.raises(UnreadableFile, match="damaged"):
        list(read_structures(write(whole[:15])))


def test_a_gzip_bomb_is_refused(write: Write) -> None:
    content = gzip.compress(b"CCO\n" + b"# nothing at all\n" * 2_000_000)
    with pytest.raises(UnreadableFile, match="1,000,000 bytes"):
        list(read_structures(write(content), limits=StructureFileLimits(max_decompressed_bytes=1_000_000)))


def test_a_very_long_line_is_refused(write: Write) -> None:
    with pytest.raises(UnreadableFile, match="line 2"):
        list(read_structures(write("CCO\n" + "C" * 2_000_000)))


def test_real_sd_files(shared_data: Path) -> None:
    folder = shared_data / "formats" / "sdf"
    assert len(summary(folder / "MetFrag_Candidates.sdf")) == 167
    assert summary(folder / "MetFrag_Candidates.sdf")[0][1:] == (
        "50465",
        "2-[(4-amino-3,5-dichloro-6-fluoro-2-pyridyl)oxy]acetic acid",
    )
    assert len(list(read_structures(folder / "odd_drawings.sdf"))) == 4
    assert len(list(read_structures(folder / "standardiser_examples.in.sdf"))) == 77
