"""Structure files of spreadsheets and databases that would give a wrong molecule or lose rows in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from models_ml.molecules.readers import StructureIssue
from models_ml.molecules.readers.rows import DEFAULT_FILE_LIMITS
from models_ml.molecules.readers.standardised import standardise_file
from models_ml.molecules.standardise import UnusableStructure, standardise
from models_ml.unreadable import UnreadableFile

ASPIRIN, CAFFEINE = "CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O"
ASPIRIN_INCHI = "1S/C9H8O4/c1-6(10)13-8-5-3-2-4-7(8)9(11)12/h2-5H,1H3,(H,11,12)"
METHANOL = """x


  2  1  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0
    1.0000    0.0000    0.0000 O   0  0
  1  2  1  0
"""


def rows(tmp_path: Path, text: str | bytes) -> list[str]:
    """The SMILES or the code of the issue, the identifier and the name of each row, and its notes."""
    path = tmp_path / "file"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = []
    for row in standardise_file(path, 0, DEFAULT_FILE_LIMITS):
        first = row.code if isinstance(row, StructureIssue) else row.molecule.smiles
        name = "" if isinstance(row, StructureIssue) else row.name
        found.append(" ".join(filter(None, [first, row.source_id, name, *(note.code for note in row.notes)])))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # InChI without its beginning, and structures in the other column
        (f'InChI,Name\n"{ASPIRIN_INCHI}",a\n', [f"{ASPIRIN} a"]),
        (f'InChI,Name\n"inchi={ASPIRIN_INCHI}",a\n', [f"{ASPIRIN} a"]),
        (f'SMILES,Name\n"InChI={ASPIRIN_INCHI}",a\n', [f"{ASPIRIN} a"]),
        (f"InChI,Name\n{ASPIRIN},a\n", [f"{ASPIRIN} a"]),
        # several columns of structures
        ("SMILES,SMILES,Name\nCCO,CCN,a\nCCO,OCC,b\n,CCO,c\n", ["contradiction", "CCO b", "CCO c"]),
        ("Canonical SMILES,Isomeric SMILES,Name\nCCO,,a\nCCO,CCN,b\n", ["CCO a", "contradiction"]),
        ("Reactant SMILES,Product SMILES,Name\nCCO,CC=O,a\n", ["CCO a several_structure_columns"]),
        # what the row states besides
        (f"SMILES,Formula\n{ASPIRIN.upper()},C9H8O4\n",
         ["CC(=O)OC1CCCCC1C(=O)O formula_differs"]),
        (f"SMILES,Formula\n{ASPIRIN},C9H8O4\nCC(=O)[O-].[Na+],C2H3NaO2\n",
         [ASPIRIN, "CC(=O)O fragments_removed"]),
        ("SMILES,ID,Exact Mass\nCCO,1,46.0419\nCCO,2,46.07\nCCO,3,46\nCCO,4,180.0423\nCCO,5,\n",
         ["CCO 1", "CCO 2 exact_mass_differs", "CCO 3", "CCO 4 exact_mass_differs", "CCO 5"]),
        ("SMILES;ID;Monoisotopic_Mass\nCC(=O)[O-].[Na+];1;82,0031\nCC(=O)[O-].[Na+];2;60,0211\n",
         ["CC(=O)O 1 fragments_removed", "CC(=O)O 2 fragments_removed"]),
        (f"{METHANOL}M  END\n> <EXACT_MASS>\n46.0419\n\n$$$$\n", ["CO x exact_mass_differs"]),
        # text above the heading
        (f"Compound list 2024,,\nexported by anna,,\n\nSMILES,ID,Name\n{ASPIRIN},1,a\nCCO,2,b\n",
         [f"{ASPIRIN} 1 a title_lines", "CCO 2 b"]),
        (f"Our compounds\nName\tSMILES\na\t{ASPIRIN}\nb\tCCO\n", [f"{ASPIRIN} a title_lines", "CCO b"]),
        ("SMILES,ID,InChIKey\nCCO,1,BSYNRYMUTXBXSQ-UHFFFAOYSA-N\n", ["CCO 1 inchikey_differs"]),
        ("SMILES,ID,InChIKey\nCCO,1,LFQSCWFLJHTTHZ-UHFFFAOYSA-N\n", ["CCO 1"]),
        # spreadsheets
        ("SMILES,ID,Name\nCCO,01.05.2024,a\nCCN,7,1-Dec\n",
         ["CCO 01.05.2024 a spreadsheet_cell", "CCN 7 1-Dec spreadsheet_cell"]),
        ('SMILES,ID,Name\nCCO,"1,23E+05",a\n', ["CCO 1,23E+05 a spreadsheet_cell"]),
        (f"#NAME?,a\n{ASPIRIN},b\n{CAFFEINE},c\n",
         ["unparsable a no_heading", f"{ASPIRIN} b", f"{CAFFEINE} c"]),
        (f"#NAME?\ta\n{ASPIRIN}\tb\n#N/A\tc\n", ["unparsable a no_heading", f"{ASPIRIN} b", "unparsable c"]),
        ("sep=;\nSMILES;Name;Masse\nCCO;Ethanol;46,04\n", ["CCO Ethanol"]),
        (f"Nr;Bezeichnung;SMILES-Code;Masse\n1;Aspirin;{ASPIRIN};180,04\n", [f"{ASPIRIN} 1 Aspirin"]),
        (f"Identifiant;Nom du composé;Structure SMILES\n1;Aspirine;{ASPIRIN}\n", [f"{ASPIRIN} 1 Aspirine"]),
        ("ID;Name, IUPAC, trivial;SMILES\n1;ethanol;CCO\n", ["CCO 1"]),
        ("SMILES,ID,Name\nCCO,n/a,NULL\n", ["CCO"]),
        (f"SMILES\tName\n{ASPIRIN}\tx\n".encode("utf-16-le"), [f"{ASPIRIN} x"]),
        # ChemAxon extensions with commas and without quotation marks
        (f"SMILES,ID,Name\nCC(C)C |c:1,2,t:3|,I1,a\n{ASPIRIN},I2,b\n",
         ["CC(C)C I1 a extension_removed", f"{ASPIRIN} I2 b"]),
        (f"SMILES,ID,Name\nCC |Sg:n:0,1:n:ht|,I1,a\n{ASPIRIN},I2,b\n", ["polymer I1", f"{ASPIRIN} I2 b"]),
        ("CCO>>CC=O x\nCC(=O)O.OCC>[H+]>CC(=O)OCC y\nCCO z\n", ["reaction x", "reaction y", "CCO z"]),
        # SD files: the drawing against the properties
        (f"{METHANOL}M  END\n> <SMILES>\nCCN\n\n$$$$\n", ["contradiction x"]),
        (f"{METHANOL}M  END\n> <SMILES>\nOC\n\n$$$$\n", ["CO x"]),
        ("x\n\n\n  0  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n> <SMILES>\nCCN\n\n$$$$\n",
         ["CCN x second_used"]),
        (f"{METHANOL}M  RAD  1   1   2\nM  END\n$$$$\n", ["[CH2]O x unpaired_electrons"]),
    ],
)  # fmt: skip
def test_files(tmp_path: Path, text: str | bytes, expected: list[str]) -> None:
    assert rows(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("$RXN\n\n\n\n  1  1\n", "reactions"),
        ('[{"smiles":"CCO"}]', "JSON"),
        ("<html><body>", "XML"),
        ("@<TRIPOS>MOLECULE\nx\n", "mol2"),
    ],
)
def test_other_files_are_named(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(UnreadableFile, match=what):
        rows(tmp_path, text)


@pytest.mark.parametrize(
    ("structure", "code"),
    [
        # Cut off before its hydrogens; RDKit reads it as C9O4.
        ("InChI=1S/C9H8O4/c1-6(10)13-8-5-3-2-4-7(8)9(11)12", "damaged_inchi"),
        ("O[Ac]", "abbreviation"),
        ("C[O][Ts]", "abbreviation"),
        ("[Na+].[Cl-]", "inorganic"),
        ("[NH4+].[Cl-]", "inorganic"),
    ],
)
def test_structures_that_are_refused(structure: str, code: str) -> None:
    with pytest.raises(UnusableStructure) as refusal:
        standardise(structure)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("structure", "notes"),
    [
        ("CC1(C)CCCC(C)(C)N1[O]", ("unpaired_electrons",)),
        ("[C]C", ("unpaired_electrons",)),
        ("CCCCCC(=O)O.CCCCCCN", ("fragments_removed", "part_removed")),
        ("CCCCCC.CCCCCC", ("fragments_removed",)),
        ("C[N+](C)(C)CCO.[Cl-]", ("fragments_removed", "permanent_charge")),
        ("C[N+](C)(C)CC(=O)O", ("charges_changed",)),  # betaine, drawn as the cation
        ("CC(=O)O[Na]", ("fragments_removed", "metal_removed")),
        ("CC(=O)[O-].[Na+]", ("fragments_removed",)),
        ("NCC(=O)O[Cu]OC(=O)CN", ("fragments_removed", "metal_removed")),
        ("C[Hg]Cl", ("metal_kept",)),
        ("C12C3C4C5C1[Fe]23451234C5C1C2C3C45", ("metal_kept",)),  # ferrocene
        ("CCn1cc[n+](C)c1.F[P-](F)(F)(F)(F)F", ("fragments_removed", "permanent_charge")),
    ],
)
def test_notes(structure: str, notes: tuple[str, ...]) -> None:
    assert standardise(structure).notes == notes


@pytest.mark.parametrize(
    "inchi",
    [
        "InChI=1S/CH4O.ClH/c1-2;/h2H,1H3;1H",
        "InChI=1S/C5H14NO/c1-6(2,3)4-5-7/h7H,4-5H2,1-3H3/q+1",
        "InChI=1S/C2H4O2/c1-2(3)4/h1H3,(H,3,4)/p-1",
        "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3/i1D3",
        "InChI=1S/2C2H4O2.Ca/c2*1-2(3)4;/h2*1H3,(H,3,4);/q;;+2/p-2",
    ],
)
def test_whole_inchi_are_read(inchi: str) -> None:
    assert standardise(inchi).smiles
