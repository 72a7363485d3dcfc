"""Adducts: reads any common spelling and writes one notation. Computes masses from elements and the electron.

Never falls back to [M+H]+: an adduct that is not understood is ``None``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from models_ml.spectra.adduct_groups import (
    ACIDS,
    Composition,
    Term,
    charges_of,
    compose,
    formula_of,
    is_ion,
    mark_isotopes,
    mass,
    read_group,
    restore_isotopes,
    written_name,
)

ELECTRON_MASS_DA = 5.48579909065e-4  # CODATA 2018

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

_SIGN_FIXES = str.maketrans({
    "−": "-", "–": "-", "—": "-", "‐": "-", "⁺": "+", "⁻": "-", "²": "2", "³": "3", "⁴": "4", "₂": "2",
    "＋": "+", "－": "-", "ᐩ": "+", "₃": "3", "₄": "4", "•": "*", "·": "*", "∙": "*", "●": "*", "˙": "*",
})  # fmt: skip
_BRACKET_FIXES = str.maketrans({"(": "[", ")": "]", "{": "[", "}": "]"})
_CHARGE = re.compile(r"^\^?\[?(?:(\d*)([+-]+)|([+-])(\d+))\]?$")
_MOLECULE = re.compile(r"^(\d*)(?:M|Cat)(?=[+-]|$)")
_JOINED = re.compile(r"^(\d*M)(?:H(\d?)|(Na|K|Li|NH4|Cl))(?=[+-]|$)")  # "MH" is "M+H"
_TERM = re.compile(r"([+-])(\d*)([~A-Za-z][~A-Za-z0-9]*)")
_INNER_MOLECULE = re.compile(r"\((\d*M[^()]*)\)(?=[+-]\d*[A-Za-z(])")  # "[(M+NH3)+H]+"
_INNER_GROUP = re.compile(r"([+-]\d*)\(([A-Za-z0-9~]+)\)(\d*)")  # "[M-(H2O)+H]+"
_ELECTRON = re.compile(r"([+-]\d*e)-(?=[\])+-]|$)")  # "[M-e-]+"
_BARE_TAIL = re.compile(r"^(.*?[A-Za-z])(\d*)([+-]+)$")
_MAX_TEXT = 80
_MAX_MULTIMER = 9
_MAX_CHARGE = 20
_MAX_COUNT = 12
_MAX_ELECTRONS = 2


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


def normalise_assumed(text: str, ion_mode: str) -> str | None:
    """The adduct to assume for spectra of an ion mode, in our notation. None if it has another charge."""
    ion = _understand(text, ion_mode)
    return ion.notation if ion and (ion.charge > 0) == (ion_mode == "positive") else None


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
    for body, charge in _split_charge(_clean(text)):
        ion = _read_ion(body, charge, ion_mode)
        if ion is not None:
            return ion
    return None


def _clean(text: str) -> str:
    """One kind of brackets, without inner parentheses."""
    text = mark_isotopes(re.sub(r"\s+", "", text).translate(_SIGN_FIXES))
    text = _ELECTRON.sub(r"\1", text)
    text = _INNER_GROUP.sub(_without_parentheses, _INNER_MOLECULE.sub(r"\1", text))
    return text.translate(_BRACKET_FIXES)


def _without_parentheses(match: re.Match[str]) -> str:
    before, group, number = match.groups()
    if number and before[1:]:  # "2(H2O)2"
        return match[0]
    return before + number + group


def _split_charge(text: str) -> list[tuple[str, int | None]]:
    """Ways to split the text into the content of the brackets and a charge, most likely first."""
    text = text.replace("*", "").replace(".", "")
    if text.startswith("["):
        body, _, tail = text[1:].partition("]")
        if not tail:  # "[M+H+]" and "[M+H]"
            return _split_bare(body)
        charge = _read_charge(tail)
        return [(body.rstrip("+-"), charge)] if charge else []  # "[M+HCOO-]-"
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
            if read and _usual_charge(read[1]) == sign * int(digits):
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
    body = _JOINED.sub(lambda match: f"{match[1]}+{match[2] or ''}{match[3] or 'H'}", body)
    molecule = _MOLECULE.match(body)
    if not molecule:
        return None
    multimer = int(molecule[1] or 1)
    if not 0 < multimer <= _MAX_MULTIMER:
        return None
    rest = body[molecule.end() :]
    found = _TERM.findall(rest)
    if "".join(sign + count + group for sign, count, group in found) != rest:
        return None
    terms: list[Term] = []
    for sign, digits, name in found:
        if len(digits) > 3:
            return None
        count, group = read_group(digits, name)
        if not 0 < count <= _MAX_COUNT:
            return None
        terms.append((count if sign == "+" else -count, group))
    return multimer, terms


def _read_ion(body: str, charge: int | None, ion_mode: str | None) -> Adduct | None:
    read = _read_terms(body)
    if read is None:
        return None
    multimer, terms = read
    if charge is None:
        charge = _usual_charge(terms)
        if charge == 0 and not terms and ion_mode in ("positive", "negative"):
            charge = 1 if ion_mode == "positive" else -1
        if charge == 0:
            return None
    terms = _acids_as_anions(terms, charge)
    groups = [(count, group) for count, group in terms if group != "e"]
    composition = compose(groups)
    if composition is None:
        return None
    notation = _CANONICAL_BY_ION.get((composition, charge))
    if notation is None:
        if not _charge_fits(terms, charge):
            return None
        notation = _write(multimer, groups, charge)
    elif multimer > 1:
        notation = f"[{multimer}{notation[1:]}"
    return Adduct(notation, multimer, charge, mass(composition) - charge * ELECTRON_MASS_DA, composition)


def _usual_charge(terms: list[Term]) -> int:
    return sum(charges_of(*term)[0] for term in terms)


def _charge_fits(terms: list[Term], charge: int) -> bool:
    """Whether the groups explain the charge. [M+6Li]+ and [M+2H]+ are typing errors.

    Besides ions, molecules lose or gain an electron ([M]2+, [M-H+Na]+), form radical ions after the loss of H
    ([M-2H]-), and lose a hydride ([M-H2O-H]+).
    """
    sums = {sum(choice) for choice in product(*(charges_of(*term) for term in terms))}
    if charge in sums:
        return True
    carriers = [(count, group) for count, group in terms if is_ion(group)]
    if any(group == "e" for _, group in carriers):
        return False
    signs = {charges_of(*term)[0] > 0 for term in carriers if term[0] > 0}
    if 0 in sums and abs(charge) <= _MAX_ELECTRONS and len(signs) < 2:
        return True
    loses_h = any(count < 0 and group == "H" for count, group in carriers)
    if loses_h and charge < 0 and charge - 1 in sums:
        return True
    return charge == 1 and carriers == [(-1, "H")]


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
    acids = sum(count for count, group in corrected if formula_of(group) in ACIDS and count > 0)
    if acids == 1 and len(corrected) == 1 and charge == -1:
        corrected.append((-1, "H"))
    return corrected


def _write(multimer: int, terms: list[Term], charge: int) -> str:
    """The notation: losses before gains, neutral groups before charge carriers, then by name."""
    counts: dict[str, int] = {}
    for count, group in terms:
        name = written_name(group)
        counts[name] = counts.get(name, 0) + count
    ordered = sorted(
        ((count, name) for name, count in counts.items() if count),
        key=lambda term: (term[0] > 0, is_ion(term[1]), term[1]),
    )
    inside = "".join(
        f"{'+' if count > 0 else '-'}{abs(count) if abs(count) > 1 else ''}{name}" for count, name in ordered
    )
    size = str(abs(charge)) if abs(charge) > 1 else ""
    inside = restore_isotopes(inside)
    return f"[{multimer if multimer > 1 else ''}M{inside}]{size}{'+' if charge > 0 else '-'}"


def _index_canonical() -> dict[tuple[Composition, int], str]:
    index: dict[tuple[Composition, int], str] = {}
    for notation in _CANONICAL:
        body, _, tail = notation[1:].partition("]")
        read, charge = _read_terms(body), _read_charge(tail)
        if read is None or charge is None:
            raise ValueError(f"The canonical adduct {notation!r} is not readable.")
        composition = compose(read[1])
        if composition is None:
            raise ValueError(f"The canonical adduct {notation!r} names an unknown group.")
        index.setdefault((composition, charge), notation)
    return index


_CANONICAL_BY_ION = _index_canonical()
