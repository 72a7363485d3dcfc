"""What a text in the search field is taken for."""

from __future__ import annotations

import time

import pytest

from models_ml.molecules.formula import read_formula
from models_ml.molecules.search_text import (
    SearchKind,
    inchikey_block,
    likely_kinds,
    read_mass,
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("caffeine", "name"),
        ("CL000123", "name"),
        ("CHEBI:1233", "name"),
        ("HMDB0001847", "name"),
        ("Cocos", "name"),
        ("2-aminobenzoic acid", "name"),
        ("chlorothiazide", "name"),  # 14 letters, as the first block of an InChIKey has
        ("NADH", "name"),
        ("C8H10N4O2", "formula"),
        ("H2O", "formula"),
        ("CO", "formula"),
        ("C5H14NO+", "formula"),
        ("[C5H14NO]+", "formula"),
        ("RYYVLZVUVIJVGH", "inchikey"),
        ("RYYVLZVUVIJVGH-UHFFFAOYSA-N", "inchikey"),
        ("ryyvlzvuvijvgh-uhfffaoysa-n", "inchikey"),
        ("InChIKey=RYYVLZVUVIJVGH-UHFFFAOYSA-N", "inchikey"),
        ("194.0804", "mass"),
        ("194.0804 Da", "mass"),
        ("194.0804 ± 5 ppm", "mass"),
        ("194.0804 +/- 5ppm", "mass"),
        ("CCO", "structure"),
        ("C1CCCCC1", "structure"),
        ("Cn1c(=O)c2c(ncn2C)n(C)c1=O", "structure"),
        ("C[C@H](N)C(=O)O", "structure"),
        ("c1cc[nH]c1", "structure"),
        ("InChI=1S/CH4/h1H4", "structure"),
        ("[CX3](=O)[OX2H1]", "substructure"),
        ("[#7]", "substructure"),
        ("[N,O]C", "substructure"),
    ],
)
def test_the_likeliest_kind_of_a_text(text: str, kind: str) -> None:
    assert likely_kinds(text)[0] == kind


def test_an_ambiguous_text_names_its_other_kinds() -> None:
    assert likely_kinds("CO") == (SearchKind.FORMULA, SearchKind.STRUCTURE, SearchKind.NAME)
    assert likely_kinds("180.0423") == (SearchKind.MASS, SearchKind.NAME)


def test_masses_with_and_without_a_tolerance() -> None:
    assert read_mass("194.0804") == (194.0804, None)
    assert read_mass("194.0804 ± 5 ppm") == (194.0804, 5.0)
    for text in ("0", "-3", "mass", "1e5", "999999"):
        with pytest.raises(ValueError, match="not a mass"):
            read_mass(text)


def test_formulas_are_read_in_any_order_and_without_their_charge() -> None:
    assert read_formula("H10 C8 O2 N4") == "C8H10N4O2"
    assert read_formula("C5H14NO+") == "C5H14NO"
    with pytest.raises(ValueError, match="not a formula"):
        read_formula("caffeine")


def test_the_first_block_of_an_inchikey() -> None:
    assert inchikey_block("RYYVLZVUVIJVGH-UHFFFAOYSA-N") == "RYYVLZVUVIJVGH"
    assert inchikey_block("RYYVLZVUVIJVG") == ""


@pytest.mark.parametrize("part", ["[", "[a", "C", "C1", "1", "1.", "(", "[C;", "A-", "±", " ", "InChI="])
def test_no_text_takes_long(part: str) -> None:
    started = time.perf_counter()
    likely_kinds((part * 1000)[:1000])
    assert time.perf_counter() - started < 0.1
