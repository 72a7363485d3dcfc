"""Adducts: reads any common spelling and writes one notation. Computes masses from elements and the electron.

Never falls back to [M+H]+: an adduct that is not understood is ``None``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from rdkit.Chem import GetPeriodicTable

ELECTRON_MASS_DA = 5.48579909065e-4  # CODATA 2018
DEUTERIUM_MASS_DA = 2.01410177812  # AME 2020

# Only elements of adducts. With the full periodic table "Ac" (acetate) would be actinium.
_ELEMENTS = frozenset({
    "H", "D", "C", "N", "O", "P", "S", "F", "Cl", "Br", "I", "Si", "B", "Na", "K", "Li", "Rb", "Cs", "Ca",
    "Mg", "Ba", "Sr", "Zn", "Cu", "Fe", "Co", "Ni", "Mn", "Ag", "Al", "Cr", "Se",
})  # fmt: skip
# Names of solvents and acids that chemists write inside the brackets.
_NAMED = {
    "ACN": "C2H3N", "ACETONITRILE": "C2H3N", "CAN": "C2H3N",
    "MEOH": "CH4O", "METHANOL": "CH4O", "ETOH": "C2H6O",
    "DMSO": "C2H6OS", "IPA": "C3H8O", "ISOPROP": "C3H8O", "ISOPROPANOL": "C3H8O",
    "FA": "CH2O2", "HCOOH": "CH2O2", "FORMICACID": "CH2O2",
    "HAC": "C2H4O2", "ACOH": "C2H4O2", "HOAC": "C2H4O2", "AA": "C2H4O2",
    "OAC": "C2H3O2", "ACETATE": "C2H3O2", "FORMATE": "CHO2",
    "TFA": "C2HF3O2", "TEA": "C6H15N", "WATER": "H2O", "PROTON": "H",
}  # fmt: skip
_CARRIER_CHARGE = {
    "H": 1, "D": 1, "Na": 1, "K": 1, "Li": 1, "Rb": 1, "Cs": 1, "Ag": 1, "NH4": 1, "H4N": 1, "C6H16N": 1,
    "Ca": 2, "Mg": 2, "Zn": 2, "Cu": 1, "Fe": 2, "Co": 2, "Ni": 2, "Mn": 2, "Al": 3,
    "Cl": -1, "Br": -1, "I": -1, "F": -1, "HCOO": -1, "HCO2": -1, "CHO2": -1, "CHOO": -1, "OH": -1,
    "CH3COO": -1, "C2H3O2": -1, "CH3CO2": -1, "C2H3OO": -1, "CF3COO": -1, "C2F3O2": -1, "NO3": -1, "HSO4": -1,
}  # fmt: skip
_ACIDS = frozenset({"CH2O2", "C2H4O2", "C2HF3O2"})

# The notation of each ion that has several common names. The first ten are those of the training data.
_CANONICAL = tuple(
    """
    [M+H]+ [M-H]- [M]+ [M+Na]+ [M+NH4]+ [M+HCOO]- [M+CH3COO]- [M-H2O+H]+ [M+K]+ [M+Cl]- [M]- [M+Li]+ [M+Br]-
    [M+I]- [M+2H]2+ [M+3H]3+ [M-2H]2- [M-3H]3- [M-H2O-H]- [M-2H2O+H]+ [M-3H2O+H]+ [M-NH3+H]+ [M-CO2-H]-
    [M-2H]- [M-H]+ [M+ACN+H]+ [M+2ACN+H]+ [M+ACN+Na]+ [M+ACN+2H]2+ [M+2ACN+2H]2+ [M+ACN+NH4]+ [M+CH3OH+H]+
    [M+CH3OH+Na]+ [M+H2O+H]+ [M+DMSO+H]+ [M+IPA+H]+ [M+H+Na]2+ [M+H+K]2+ [M+H+NH4]2+ [M+2Na]2+ [M-H+2Na]+
    [M-H+2K]+ [M-2H+3Na]+ [M-2H+Na]- [M-2H+K]- [M+CF3COO]- [M+NO3]- [M+F]- [M-CH3]- [M+H2O-H]- [M+2Na-3H]2-
    [M+Ca-H]+ [M+O+H]+ [M-H+O]-
    """.split()  # noqa: SIM905  (a table reads better)
)

_TEXT_FIXES = str.maketrans({
    "−": "-", "–": "-", "—": "-", "‐": "-", "⁺": "+", "⁻": "-", "²": "2", "³": "3", "⁴": "4", "₂": "2",
    "₃": "3", "₄": "4", "•": "*", "·": "*", "∙": "*", "●": "*", "˙": "*", "(": "[", ")": "]", "{": "[",
    "}": "]",
})  # fmt: skip
_CHARGE = re.compile(r"^\^?\[?(?:(\d*)([+-]+)|([+-])(\d+))\]?$")
_BODY = re.compile(r"^(\d*)(?:M|Cat)((?:[+-]\d*[A-Za-z][A-Za-z0-9]*)*)$")
_TERM = re.compile(r"([+-])(\d*)([A-Za-z][A-Za-z0-9]*)")
_ATOM = re.compile(r"([A-Z][a-z]?)(\d*)")
_BARE_TAIL = re.compile(r"^(.*?[A-Za-z])(\d*)([+-]+)$")
_MAX_TEXT = 80
_MAX_MULTIMER = 9
_MAX_CHARGE = 20
_MAX_COUNT = 12

Composition = tuple[tuple[str, int], ...]
Term = tuple[int, str]  # signed count, group as written: (-2, "H")


@dataclass(frozen=True, slots=True)
class Adduct:
    """An ion species of a molecule of mass M: m/z = (multimer · M + mass_shift_da) / |charge|."""

    notation: str
    multimer: int
    charge: int
    mass_shift_da: float
    composition: Composition  # atoms gained (positive) and lost (negative), sorted by element


@lru_cache(maxsize=4096)
def normalise(text: str, ion_mode: str | None = None) -> str | None:
    """The adduct in our notation, such as "[M-H2O+H]+", or None if it is not understood.

    The sign in the text counts. Without a sign the charge follows from the groups ("M+Na"); only for "[M]" it
    follows from ``ion_mode``.
    """
    ion = _understand(text, ion_mode)
    return ion.notation if ion else None


@lru_cache(maxsize=4096)
def parse(adduct: str) -> Adduct:
    """Read an adduct in any spelling that ``normalise`` knows. Raises ValueError for others."""
    ion = _understand(adduct, None)
    if ion is None:
        raise ValueError(f"The adduct {adduct!r} is not understood. Write it like [M+H]+ or [M-2H]2-.")
    return ion


def neutral_mass(precursor_mz: float, adduct: str) -> float:
    """Monoisotopic mass in Da of the molecule that formed a precursor. Raises ValueError as `parse` does."""
    ion = parse(adduct)
    return (precursor_mz * abs(ion.charge) - ion.mass_shift_da) / ion.multimer


def precursor_mz(exact_mass: float, adduct: str) -> float:
    """m/z of the ion of a molecule. Raises ValueError as `parse` does."""
    ion = parse(adduct)
    return (exact_mass * ion.multimer + ion.mass_shift_da) / abs(ion.charge)


def _understand(text: str, ion_mode: str | None) -> Adduct | None:
    if len(text) > _MAX_TEXT:
        return None
    cleaned = re.sub(r"\s+", "", text).translate(_TEXT_FIXES)
    for body, charge in _split_charge(cleaned):
        ion = _read_ion(body, charge, ion_mode)
        if ion is not None:
            return ion
    return None


def _split_charge(text: str) -> list[tuple[str, int | None]]:
    """Ways to split the text into the content of the brackets and a charge, most likely first."""
    text = text.replace("*", "").replace(".", "")
    if text.startswith("["):
        body, _, tail = text[1:].partition("]")
        if not tail:  # "[M+H+]" and "[M+H]"
            return _split_bare(body)
        charge = _read_charge(tail)
        return [(body, charge)] if charge else []
    return _split_bare(text)


def _split_bare(text: str) -> list[tuple[str, int | None]]:
    """As `_split_charge`, for text without brackets."""
    ways: list[tuple[str, int | None]] = []
    tail = _BARE_TAIL.match(text)
    if tail:
        body, digits, signs = tail.groups()
        sign = 1 if signs[0] == "+" else -1
        if len(set(signs)) > 1:
            return []
        if digits and len(signs) == 1:  # "M+2H2+": the last 2 is a charge only if the groups add up to it
            read = _read_terms(body)
            if read and sum(_charge_of(*term) for term in read[1]) == sign * int(digits):
                ways.append((body, sign * int(digits)))
        ways.append((body + digits, sign * len(signs)))
    else:
        ways.append((text, None))
    return ways


def _read_charge(tail: str) -> int | None:
    charge = _CHARGE.match(tail)
    if not charge:
        return None
    digits, signs, sign, number = charge.groups()
    if sign:
        value = int(number) * (1 if sign == "+" else -1)
    elif len(set(signs)) > 1 or (digits and len(signs) > 1):
        return None
    else:
        value = int(digits or len(signs)) * (1 if signs[0] == "+" else -1)
    return value if 0 < abs(value) <= _MAX_CHARGE else None


def _read_terms(body: str) -> tuple[int, list[Term]] | None:
    parts = _BODY.match(body)
    if not parts:
        return None
    multimer = int(parts[1] or 1)
    if not 0 < multimer <= _MAX_MULTIMER:
        return None
    terms: list[Term] = []
    for sign, count, group in _TERM.findall(parts[2]):
        number = int(count or 1)
        if not 0 < number <= _MAX_COUNT:  # also refuses isotopes: "+13C" is not 13 carbons
            return None
        terms.append((number if sign == "+" else -number, group))
    return multimer, terms


def _read_ion(body: str, charge: int | None, ion_mode: str | None) -> Adduct | None:
    read = _read_terms(body)
    if read is None:
        return None
    multimer, terms = read
    if charge is None:
        charge = sum(_charge_of(*term) for term in terms)
        if charge == 0 and not terms and ion_mode in ("positive", "negative"):
            charge = 1 if ion_mode == "positive" else -1
        if charge == 0:
            return None
    terms = _acids_as_anions(terms, charge)
    composition = _compose(terms)
    if composition is None:
        return None
    notation = _CANONICAL_BY_ION.get((composition, charge))
    if notation is None:
        notation = _write(multimer, terms, charge)
    elif multimer > 1:
        notation = f"[{multimer}{notation[1:]}"
    return Adduct(notation, multimer, charge, _mass(composition) - charge * ELECTRON_MASS_DA, composition)


def _acids_as_anions(terms: list[Term], charge: int) -> list[Term]:
    """Read "[M+FA]-" and "[M+Ac-H]-" as formate and acetate ions.

    Taken literally, a whole acid in an anion is a radical that is not observed. Lipid lists write "Ac" for
    acetate, with and without the lost proton.
    """
    if charge >= 0:
        return terms
    lost_h = any(count < 0 and group == "H" for count, group in terms)
    corrected: list[Term] = []
    for count, group in terms:
        if group == "Ac" and count > 0:
            group = "Hac" if lost_h else "OAc"
        corrected.append((count, group))
    acids = sum(count for count, group in corrected if _formula(group) in _ACIDS and count > 0)
    if acids == 1 and len(corrected) == 1 and charge == -1:
        corrected.append((-1, "H"))
    return corrected


def _formula(group: str) -> str:
    return _NAMED.get(group.upper(), group)


def _charge_of(count: int, group: str) -> int:
    return count * _CARRIER_CHARGE.get(_formula(group), 0)


def _compose(terms: list[Term]) -> Composition | None:
    atoms: dict[str, int] = {}
    for count, group in terms:
        formula = _formula(group)
        pieces = _ATOM.findall(formula)
        if "".join(symbol + digits for symbol, digits in pieces) != formula:
            return None
        for symbol, digits in pieces:
            if symbol not in _ELEMENTS or len(digits) > 3:
                return None
            atoms[symbol] = atoms.get(symbol, 0) + count * int(digits or 1)
    return tuple(sorted((symbol, number) for symbol, number in atoms.items() if number))


def _mass(composition: Composition) -> float:
    table = GetPeriodicTable()
    return float(
        sum(
            number * (DEUTERIUM_MASS_DA if symbol == "D" else table.GetMostCommonIsotopeMass(symbol))
            for symbol, number in composition
        )
    )


def _write(multimer: int, terms: list[Term], charge: int) -> str:
    """The notation: losses before gains, neutral groups before charge carriers, then by name."""
    counts: dict[str, int] = {}
    for count, group in terms:
        name = group.upper() if group.upper() in _NAMED else group
        counts[name] = counts.get(name, 0) + count
    ordered = sorted(
        ((count, name) for name, count in counts.items() if count),
        key=lambda term: (term[0] > 0, _formula(term[1]) in _CARRIER_CHARGE, term[1]),
    )
    inside = "".join(
        f"{'+' if count > 0 else '-'}{abs(count) if abs(count) > 1 else ''}{name}" for count, name in ordered
    )
    size = str(abs(charge)) if abs(charge) > 1 else ""
    return f"[{multimer if multimer > 1 else ''}M{inside}]{size}{'+' if charge > 0 else '-'}"


def _index_canonical() -> dict[tuple[Composition, int], str]:
    index: dict[tuple[Composition, int], str] = {}
    for notation in _CANONICAL:
        body, _, tail = notation[1:].partition("]")
        read, charge = _read_terms(body), _read_charge(tail)
        if read is None or charge is None:
            raise ValueError(f"The canonical adduct {notation!r} is not readable.")
        composition = _compose(read[1])
        if composition is None:
            raise ValueError(f"The canonical adduct {notation!r} names an unknown group.")
        index.setdefault((composition, charge), notation)
    return index


_CANONICAL_BY_ION = _index_canonical()
