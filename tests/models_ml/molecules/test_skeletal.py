"""Without RDKit's drawer, drawings are simpler but as accessible and safe."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.dom import minidom

import pytest

from models_ml.molecules import depict

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


@pytest.fixture(autouse=True)
def no_drawer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depict, "rdMolDraw2D", None)


def labels(svg: str) -> list[str]:
    """The text of each label, with sub- and superscripts."""
    elements = re.findall(r"<text.*?</text>", svg)
    return sorted(re.sub(r"<[^>]+>|\u200b", "", element) for element in elements)


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        (ASPIRIN, ["HO", "O", "O", "O"]),
        ("O", ["H2O"]),
        ("C", ["CH4"]),
        ("[13CH4]", ["13CH4"]),
        ("C[N+](C)(C)C", ["N+"]),
        ("[O-]S(=O)(=O)[O-].[Ca+2]", ["Ca2+", "O", "O", "O−", "O−", "S"]),
        ("CC", []),
    ],
)
def test_labels_show_elements_hydrogens_and_charges(smiles: str, expected: list[str]) -> None:
    assert labels(depict.depict_svg(smiles)) == expected


def test_a_drawing_is_one_accessible_svg_element_without_inline_styles() -> None:
    svg = depict.depict_svg(ASPIRIN, 300, 200, (0, 1), title='Aspirin <"ASA">')
    root = minidom.parseString(svg).documentElement  # noqa: S318 (trusted text)
    assert root is not None
    assert (root.tagName, root.getAttribute("role"), root.getAttribute("width")) == ("svg", "img", "300px")
    assert root.getAttribute("aria-label") == 'Aspirin <"ASA">'
    assert not re.search(r"style=|<script|<style|on\w+=", svg)
    assert "currentColor" in svg


def test_every_point_is_inside_the_picture() -> None:
    svg = depict.depict_svg("CC(C)CCCC(C)C1CCC2C1(CCC3C2CC=C4C3(CCC(C4)O)C)C", 160, 90)
    points = [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", svg)]
    assert len(points) > 50
    assert all(0 <= x <= 160 and 0 <= y <= 90 for x, y in points)


def test_the_bond_order_is_the_number_of_strokes() -> None:
    strokes = {
        smiles: depict.depict_svg(smiles).count("<path") for smiles in ("CC", "C=C", "C#C", "c1ccccc1")
    }
    assert strokes == {"CC": 1, "C=C": 2, "C#C": 3, "c1ccccc1": 9}


def test_highlights_are_below_the_bonds() -> None:
    svg = depict.depict_svg("CCO", highlight_atoms=(0, 1))
    assert svg.index("<circle") < svg.index("stroke-width='1.6'")
    assert svg.count("<circle") == 2


def test_the_module_loads_without_the_drawer() -> None:
    code = (
        "import sys; sys.modules['rdkit.Chem.Draw'] = None\n"
        "from models_ml.molecules import depict\n"
        "assert depict.rdMolDraw2D is None\n"
        "assert '<path' in depict.depict_svg('CCO')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
