"""Formulas of a mass: against brute force, and against the formulas of known molecules."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_ml.formulas.elements import (
    ELEMENTS,
    MASSES,
    MAX_COUNTS,
    RARE,
    counts_row,
    hill,
    is_odd_electron,
    is_part,
    pack,
    unpack,
)
from models_ml.formulas.enumeration import MAX_MASS_DA, HeteroTable, enumerate_formulas, is_possible
from models_ml.formulas.model import load_formula_model
from models_ml.molecules.formula import parse_formula

NO_RARE = (0,) * len(RARE)
ONE_SULFUR = (0, 1, 0, 0, 0, 0, 0)
COUNTS = st.lists(st.integers(0, 7), min_size=len(ELEMENTS), max_size=len(ELEMENTS))


def row(formula: str) -> np.ndarray:
    found = counts_row(parse_formula(formula))
    assert found is not None
    return found


def formulas(mass: float, tolerance_da: float, table: HeteroTable) -> set[str]:
    return {hill(counts) for counts in enumerate_formulas(mass, tolerance_da, table)}


@pytest.mark.parametrize("mass", [46.0419, 89.0477, 121.0197, 180.0634])
def test_all_formulas_of_a_small_mass(mass: float) -> None:
    table = HeteroTable.build([NO_RARE, ONE_SULFUR])
    tolerance = 0.02
    expected = set()
    for c, h, n, o, s in product(range(1, 16), range(31), range(13), range(12), range(2)):
        counts = np.array([c, h, n, o, 0, s, 0, 0, 0, 0, 0])
        if abs(counts @ MASSES - mass) <= tolerance and is_possible(counts[None])[0]:
            expected.add(hill(counts))
    assert formulas(mass, tolerance, table) == expected
    assert expected


@pytest.mark.parametrize(
    "formula",
    ["C8H10N4O2", "C17H21NO4", "C10H16N5O13P3", "C6H6Cl6", "C8HF17O3S", "C15H11I4NO4", "C55H74N8O14"],
)
def test_known_molecules_are_listed(formula: str) -> None:
    counts = row(formula)
    mass = float(counts @ MASSES)
    table = load_formula_model().hetero
    assert formula in formulas(mass, mass * 5e-6, table)


@pytest.mark.parametrize(
    ("formula", "reason"),
    [("C8H11N4O2", "odd number of electrons"), ("C2H10O", "too many hydrogens"), ("H2O", "no carbon")],
)
def test_impossible_formulas(formula: str, reason: str) -> None:
    assert not is_possible(row(formula)[None])[0], reason


def test_permanent_cations_are_listed_as_radicals() -> None:
    choline = row("C5H14NO")
    mass = float(choline @ MASSES)
    table = HeteroTable.build([NO_RARE])
    assert "C5H14NO" not in formulas(mass, 0.001, table)
    assert "C5H14NO" in {hill(c) for c in enumerate_formulas(mass, 0.001, table, radicals=True)}


def test_all_masses_are_within_the_tolerance() -> None:
    table = load_formula_model().hetero
    counts = enumerate_formulas(MAX_MASS_DA - 1, 0.005, table)
    assert np.abs(counts @ MASSES - (MAX_MASS_DA - 1)).max() <= 0.005
    assert len(np.unique(pack(counts))) == len(counts)


@given(COUNTS, COUNTS)
def test_is_part_compares_every_element(left: list[int], right: list[int]) -> None:
    part, whole = np.array([left]), np.array([right])
    assert is_part(pack(part), pack(whole))[0] == bool((part <= whole).all())


@given(COUNTS)
def test_packed_counts_come_back(counts: list[int]) -> None:
    array = np.array([counts])
    assert (unpack(pack(array)) == array).all()


@given(COUNTS)
def test_odd_electrons(counts: list[int]) -> None:
    odd_valent = sum(
        count for symbol, count in zip(ELEMENTS, counts, strict=True) if symbol not in ("C", "O", "S", "Si")
    )
    assert is_odd_electron(pack(np.array([counts])))[0] == bool(odd_valent % 2)


def test_counts_beyond_the_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="maximum"):
        pack(MAX_COUNTS[None] + 1)
    assert counts_row({"C": 200}) is None
    assert counts_row({"C": 1, "Se": 1}) is None


def test_library_molecules_are_listed(shared_data) -> None:  # type: ignore[no-untyped-def]
    """Of a tenth of the library's formulas, all are listed but the few of rare elements or great size."""
    from models_ml.molecules.formula import hill_formula
    from models_ml.molecules.readers import read_structures
    from models_ml.molecules.structure_text import UnusableStructure, parse_structure

    table = load_formula_model().hetero
    seen: set[str] = set()
    for index, item in enumerate(read_structures(shared_data / "library" / "candidates.smi.gz")):
        if index % 100 or not hasattr(item, "structure"):
            continue
        try:
            seen.add(hill_formula(parse_structure(item.structure)))
        except UnusableStructure:
            continue
    missing = []
    for formula in seen:
        counts = counts_row(parse_formula(formula))
        if counts is None or (mass := float(counts @ MASSES)) > MAX_MASS_DA:
            continue
        found = enumerate_formulas(mass, 1e-4, table, radicals=formula[-1] in "+-")
        if not (found == counts).all(1).any():
            missing.append(formula)
    assert len(seen) > 1_000
    assert len(missing) <= len(seen) * 0.01, missing
