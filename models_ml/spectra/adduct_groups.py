"""Groups inside the brackets of an adduct: names, formulas, isotopes, charges and masses.

Refuses formulas that no molecule or common ion has, such as "H20" (a typing error for H2O), and names that
only by accident consist of element symbols.
"""

from __future__ import annotations

import re
from functools import lru_cache

from rdkit.Chem import GetPeriodicTable

DEUTERIUM_MASS_DA = 2.01410177812  # AME 2020

# Only elements of adducts. With the full periodic table "Ac" (acetate) would be actinium.
_ELEMENTS = frozenset({
    "H", "D", "C", "N", "O", "P", "S", "F", "Cl", "Br", "I", "Si", "B", "Na", "K", "Li", "Rb", "Cs", "Ca",
    "Mg", "Ba", "Sr", "Zn", "Cu", "Fe", "Co", "Ni", "Mn", "Ag", "Al", "Cr", "Se", "Pt", "Pd", "Au", "Hg",
    "Pb", "Sn",
})  # fmt: skip
# Names of solvents, acids and reagents that chemists write inside the brackets.
NAMED = {
    "ACN": "C2H3N", "ACETONITRILE": "C2H3N", "CAN": "C2H3N",
    "MEOH": "CH4O", "METHANOL": "CH4O", "ETOH": "C2H6O",
    "DMSO": "C2H6OS", "IPA": "C3H8O", "ISOPROP": "C3H8O", "ISOPROPANOL": "C3H8O",
    "FA": "CH2O2", "HCOOH": "CH2O2", "FORMICACID": "CH2O2",
    "HAC": "C2H4O2", "ACOH": "C2H4O2", "HOAC": "C2H4O2", "AA": "C2H4O2",
    "OAC": "C2H3O2", "ACETATE": "C2H3O2", "FORMATE": "CHO2",
    "TFA": "C2HF3O2", "TEA": "C6H15N", "WATER": "H2O", "PROTON": "H",
    "NAFA": "CHNaO2", "NAAC": "C2H3NaO2", "NAOAC": "C2H3NaO2", "NATFA": "C2F3NaO2",
    "KFA": "CHKO2", "KAC": "C2H3KO2", "KOAC": "C2H3KO2", "NH4OAC": "C2H7NO2", "NH4AC": "C2H7NO2",
    "HFBA": "C4HF7O2", "HFIP": "C3H2F6O", "DHB": "C7H6O4", "TMS": "C3H9Si", "TBA": "C16H36N",
    "MECN": "C2H3N", "IPROH": "C3H8O", "DMF": "C3H7NO", "THF": "C4H8O",
}  # fmt: skip
_SALT_NAMES = {
    "NAFA": "NaFA", "NAAC": "NaAc", "NAOAC": "NaAc", "NATFA": "NaTFA", "KAC": "KAc", "KOAC": "KAc",
    "NH4OAC": "NH4OAc", "NH4AC": "NH4OAc",
}  # fmt: skip
ACIDS = frozenset({"CH2O2", "C2H4O2", "C2HF3O2", "C4HF7O2"})
_CASE_FIXES = {
    "NA": "Na", "na": "Na", "LI": "Li", "li": "Li", "CL": "Cl", "cl": "Cl", "BR": "Br", "br": "Br",
    "CA": "Ca", "MG": "Mg", "AG": "Ag", "ZN": "Zn", "h": "H", "k": "K", "nh4": "NH4", "h2o": "H2O",
}  # fmt: skip
# The usual charges of an ion; the first is assumed where the text states no charge. "e" is the electron.
_CHARGES: dict[str, tuple[int, ...]] = {
    "e": (-1,),
    "H": (1,), "D": (1,), "Na": (1,), "K": (1,), "Li": (1,), "Rb": (1,), "Cs": (1,), "Ag": (1,),
    "NH4": (1,), "H4N": (1,), "C6H16N": (1,), "C16H36N": (1,),
    "Ca": (2,), "Mg": (2,), "Ba": (2,), "Sr": (2,), "Zn": (2,), "Cu": (1, 2), "Fe": (2, 3), "Co": (2, 3),
    "Ni": (2,), "Mn": (2, 3), "Al": (3,), "Cr": (3, 2), "Pt": (2, 4), "Pd": (2,), "Au": (1, 3), "Hg": (2, 1),
    "Pb": (2,), "Sn": (2, 4),
    "Cl": (-1,), "Br": (-1,), "I": (-1,), "F": (-1,), "HCOO": (-1,), "HCO2": (-1,), "CHO2": (-1,),
    "CHOO": (-1,), "OH": (-1,), "CH3COO": (-1,), "C2H3O2": (-1,), "CH3CO2": (-1,), "C2H3OO": (-1,),
    "CF3COO": (-1,), "C2F3O2": (-1,), "NO3": (-1,), "HSO4": (-1,), "HCO3": (-1,),
}  # fmt: skip
# Isotopes that may stand without brackets: their number is larger than any number of groups.
_BARE_ISOTOPES = frozenset(
    {"13C", "15N", "18O", "34S", "35Cl", "37Cl", "79Br", "81Br", "63Cu", "65Cu", "107Ag", "109Ag", "41K"}
)
_BRACKETED_ISOTOPES = _BARE_ISOTOPES | {
    "1H",
    "2H",
    "12C",
    "14N",
    "16O",
    "17O",
    "32S",
    "33S",
    "6Li",
    "7Li",
    "39K",
}
# No molecule gains a bare atom of these: the isotope replaces an atom of the molecule.
_SUBSTITUTED = frozenset({"~13C", "~15N", "~17O", "~18O", "~33S", "~34S", "~12C", "~14N", "~16O", "~32S"})
# Formulas in capitals without numbers. Others in this form are names, such as "HFIP" or "PI".
_PLAIN_CAPITALS = frozenset(
    """
    H D C N O S F I K CO CN NO NH OH CH SO HF HI HO HN HS SH CS PO HCN HNC HCO CHO HNO HOH NOH COO HCOO CHOO
    COOH OCH OCN NCO CNO HOCN HNCO HCNO SCN NCS HSCN HNCS COS OCS HSO HOD DOH OD DF
    """.split()  # noqa: SIM905  (a table reads better)
)
_VALENCE = {"C": 2, "Si": 2, "N": 1, "P": 3, "B": 1, "S": 4, "Se": 4, "Al": 1}  # bonds beyond a chain
_MONOVALENT = ("H", "D", "F", "Cl", "Br", "I")
_ISOTOPE = re.compile(r"\[(\d{1,3}[A-Z][a-z]?)\]")
_ATOM = re.compile(r"(~\d{1,3}[A-Z][a-z]?|[A-Z][a-z]?)(\d*)")
_MARK = re.compile(r"~(\d{1,3}[A-Z][a-z]?)")

Composition = tuple[tuple[str, int], ...]
Term = tuple[int, str]  # signed count, group: (-2, "H"). "~13C" stands for "[13C]"


def mark_isotopes(text: str) -> str:
    """Write "[13C]" as "~13C", so that only the outer brackets stay. "[2H]" becomes "D"."""

    def marked(match: re.Match[str]) -> str:
        isotope = match[1]
        if isotope == "2H":
            return "D"
        return f"~{isotope}" if isotope in _BRACKETED_ISOTOPES else match[0]

    return _ISOTOPE.sub(marked, text)


def restore_isotopes(text: str) -> str:
    return _MARK.sub(r"[\1]", text)


def read_group(count: str, group: str) -> tuple[int, str]:
    """Number and name of a group: ("37", "Cl") is one atom of an isotope, ("2", "NA") is 2 Na."""
    if f"{count}{group}" in _BARE_ISOTOPES:
        return 1, f"~{count}{group}"
    return int(count or 1), _CASE_FIXES.get(group, group)


def formula_of(group: str) -> str:
    return NAMED.get(group.upper(), group)


def charges_of(count: int, group: str) -> tuple[int, ...]:
    """Charges that a group may contribute, the usual first. Groups that are no ions contribute 0.

    An anion that is lost may also leave as a radical: [M-Cl]+ and [M-Cl]-.
    """
    charges = _CHARGES.get(_MARK.sub(lambda match: match[1].lstrip("0123456789"), formula_of(group)), (0,))
    contributed = tuple(count * charge for charge in charges)
    return (*contributed, 0) if count < 0 and charges[0] < 0 and group != "e" else contributed


def written_name(group: str) -> str:
    """The spelling of a group in our notation."""
    name = group.upper()
    return _SALT_NAMES.get(name, name) if name in NAMED else group


def is_ion(group: str) -> bool:
    return charges_of(1, group)[0] != 0


def compose(terms: list[Term]) -> Composition | None:
    """Atoms gained and lost, or None if a group is not understood."""
    atoms: dict[str, int] = {}
    for count, group in terms:
        if group in _SUBSTITUTED:
            if count < 0:
                return None
            element = group.lstrip("~0123456789")
            pieces: tuple[tuple[str, int], ...] = ((group[1:], 1), (element, -1))
        else:
            pieces = _pieces(group)
        if not pieces:
            return None
        for symbol, number in pieces:
            atoms[symbol] = atoms.get(symbol, 0) + count * number
    return tuple(sorted((symbol, number) for symbol, number in atoms.items() if number))


def mass(composition: Composition) -> float:
    return float(sum(number * _atom_mass(symbol) for symbol, number in composition))


def _atom_mass(symbol: str) -> float:
    if symbol == "D":
        return DEUTERIUM_MASS_DA
    element = symbol.lstrip("0123456789")
    if element != symbol:
        return float(GetPeriodicTable().GetMassForIsotope(element, int(symbol[: -len(element)])))
    return float(GetPeriodicTable().GetMostCommonIsotopeMass(symbol))


@lru_cache(maxsize=4096)
def _pieces(group: str) -> tuple[tuple[str, int], ...]:
    """Atoms of a group. Empty if it is neither a known name nor a plausible formula."""
    formula = formula_of(group)
    found = _ATOM.findall(formula)
    if "".join(symbol + digits for symbol, digits in found) != formula:
        return ()
    if any(digits.startswith("0") for _, digits in found):  # "HC00" has digits for the letter O
        return ()
    pieces = tuple((symbol.lstrip("~"), int(digits or 1)) for symbol, digits in found)
    if any(symbol.lstrip("0123456789") not in _ELEMENTS or number > 999 for symbol, number in pieces):
        return ()
    if formula.isalpha() and formula.isupper() and formula not in _PLAIN_CAPITALS:
        return ()
    return pieces if _is_plausible(pieces) else ()


def _is_plausible(pieces: tuple[tuple[str, int], ...]) -> bool:
    """Whether the formula has no more monovalent atoms than a saturated molecule and a proton."""
    counts: dict[str, int] = {}
    for symbol, number in pieces:
        element = symbol.lstrip("0123456789")
        counts[element] = counts.get(element, 0) + number
    if counts.keys() & _CHARGES.keys() - set(_MONOVALENT):
        return True  # with metals the rule does not hold
    monovalent = sum(counts.get(symbol, 0) for symbol in _MONOVALENT)
    if len(counts) == 1 and monovalent:
        return monovalent <= 2
    return monovalent <= 3 + sum(bonds * counts.get(symbol, 0) for symbol, bonds in _VALENCE.items())
