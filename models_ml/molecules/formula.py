"""Molecular formulae in Hill order and monoisotopic masses. For adducts see `spectra.adducts`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

# Da, CODATA. Rounded more than the constant in `spectra.adducts`; the difference is below 1e-13 Da. Stored
# masses and trained weights depend on every bit, so both stay.
ELECTRON_MASS = 0.000548579909

_ELEMENTS = Chem.GetPeriodicTable()
_SYMBOLS = {_ELEMENTS.GetElementSymbol(number): number for number in range(1, 119)}
_TOKEN = re.compile(r"([A-Z][a-z]?)(\d*)")


# Charges that the formula of a molecule can end with.
_CHARGES = ("", "+", "-", "+2", "-2", "+3", "-3", "+4", "-4")


def hill_formula(mol: Chem.Mol) -> str:
    """Hill formula with hydrogens, and the net charge at the end: "C5H14NO+"."""
    return str(rdMolDescriptors.CalcMolFormula(mol))


def exact_mass(mol: Chem.Mol) -> float:
    """Sum of the atoms' monoisotopic masses in Da.

    Electrons that a permanent cation lacks are not subtracted, so RDKit's subtraction is undone. The adduct
    accounts for them: the m/z of choline as ``[M]+`` then lacks one electron, not two.
    """
    return float(rdMolDescriptors.CalcExactMolWt(mol) + Chem.GetFormalCharge(mol) * ELECTRON_MASS)


def parse_formula(text: str) -> dict[str, int]:
    """Element counts of a formula such as "C8H10N4O2" or "[C5H14NO]+"; the charge is ignored.

    Raises ValueError for anything else: inner brackets, dots, unknown elements.
    """
    body = text.strip()
    if match := re.fullmatch(r"\[(.+)\](?:\d*[+-]|[+-]\d*)?", body):
        body = match.group(1)
    else:
        body = without_charge(body)
    counts: dict[str, int] = {}
    position = 0
    for match in _TOKEN.finditer(body):
        symbol, number = match.groups()
        if match.start() != position or symbol not in _SYMBOLS:
            break
        counts[symbol] = counts.get(symbol, 0) + int(number or 1)
        position = match.end()
    if not body or position != len(body):
        raise ValueError(f"{text!r} is not a molecular formula. Write it like C8H10N4O2.")
    return counts


def read_formula(text: str) -> str:
    """A formula as a person writes it, in Hill order without a charge. Raises ValueError."""
    try:
        return format_formula(parse_formula(text.replace(" ", "")))
    except ValueError:
        raise ValueError(f"“{text[:50]}” is not a formula. Write it like C8H10N4O2.") from None


def stored_formulas(formula: str) -> list[str]:
    """The formula as stored for molecules with and without a permanent charge."""
    return [formula + charge for charge in _CHARGES]


def without_charge(formula: str) -> str:
    """Remove "+", "-" or "+2" from the end. "C5H14NO2+" keeps its 2: it counts oxygens."""
    return re.sub(r"[+-]\d*$", "", formula)


def formula_mass(counts: Mapping[str, int]) -> float:
    """Monoisotopic mass in Da of element counts. Raises ValueError for an unknown element."""
    total = 0.0
    for symbol, number in counts.items():
        if symbol not in _SYMBOLS:
            raise ValueError(f"{symbol!r} is not an element.")
        total += number * float(_ELEMENTS.GetMostCommonIsotopeMass(_SYMBOLS[symbol]))
    return total


def format_formula(counts: Mapping[str, int]) -> str:
    """Hill order: C, H, then the rest by letter; without carbon, all by letter. Zero counts are omitted."""
    present = {symbol: number for symbol, number in counts.items() if number}
    first = [symbol for symbol in ("C", "H") if symbol in present] if "C" in present else []
    order = first + sorted(set(present) - set(first))
    return "".join(f"{symbol}{present[symbol] if present[symbol] > 1 else ''}" for symbol in order)
