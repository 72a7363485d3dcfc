"""Compares the structure and the formula that a record claims with its precursor and adduct.

A claim that contradicts the precursor is dropped, so that it never counts as the true answer.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from rdkit import Chem, rdBase
from rdkit.Chem.Descriptors import ExactMolWt

from models_ml.spectra import adducts
from models_ml.spectra.formats.field_names import FORMULA, INCHI, INCHIKEY, SMILES, all_values, first_value
from models_ml.spectra.formats.items import Fault
from models_ml.spectra.formats.stated_facts import (
    EXACT_MASS,
    formula_contradiction,
    ion_mass_contradiction,
    mass_contradiction,
    structure_contradiction,
)
from models_ml.spectra.zwitterions import is_zwitterion

_INCHIKEY_TEXT = re.compile(r"^[A-Z]{14}-[A-Z]{10}-[A-Z]$")
_INCHI_FORMULA = re.compile(r"^InChI=1S?/([^/]+)")
_INCHI_PROTONS = re.compile(r"/p([+-]\d{1,3})(?:/|$)")
_INCHI_CHARGE = re.compile(r"/q([+-]\d{1,3})(?:/|;|$)")
_COMPONENT = re.compile(r"^(\d{0,2})((?:\[\d{1,3}[A-Z][a-z]?\]\d*|[A-Z][a-z]?\d*)+)$")
_ATOM = re.compile(r"\[(\d{1,3})([A-Z][a-z]?)\](\d*)|([A-Z][a-z]?)(\d*)")
_FORMULA_CHARGE = re.compile(r"^\[?([^\]+-]*(?:\[\d+[A-Z][a-z]?\][^\]+-]*)*)\]?(\d?)([+-]?)(\d?)$")

# Nominal masses of old records differ by less, and one hydrogen atom by more.
TOLERANCE_DA = 0.6
_H_MASS = 1.00782503
_MAX_SMILES = 600  # characters
_MAX_FORMULA = 100
_ATOMIC_NUMBERS = {Chem.GetPeriodicTable().GetElementSymbol(number): number for number in range(1, 119)}

Masses = tuple[float, ...]  # Da, of the neutral molecules that a claim can mean; empty if it is unreadable


class Claims(NamedTuple):
    """What a record states about its molecule."""

    smiles: str
    inchikey: str
    formula: str


def read_claims(
    values: Mapping[str, str], precursor_mz: float, adduct: str | None, repairs: list[Fault]
) -> Claims:
    """The claims that agree with the precursor and with each other, or cannot be compared.

    Others become one repair each. A stated exact mass is compared with the structure, and never used.
    """
    inchi = next(iter(all_values(values, INCHI)), "")
    n_before = len(repairs)
    claims = _agreeing_with_precursor(values, precursor_mz, adduct, repairs)
    agrees = len(repairs) == n_before
    fault = structure_contradiction(claims.smiles, inchi, claims.inchikey)
    if fault:
        repairs.append(fault)
        return Claims("", "", claims.formula)
    known = smiles_masses(claims.smiles) or (inchi_masses(inchi) if agrees else ())
    fault = formula_contradiction(claims.formula, formula_masses(claims.formula), known)
    if fault:
        repairs.append(fault)
        return Claims("", "", "")
    texts = (
        ("structure", smiles_masses(claims.smiles)),
        ("InChI", inchi_masses(inchi) if claims.smiles or claims.inchikey else ()),
        ("formula", formula_masses(claims.formula)),
    )
    masses = tuple(mass for _, known in texts for mass in known)
    source = next((name for name, known in texts if known), "")
    exact_mass = first_value(values, EXACT_MASS)
    fault = mass_contradiction(exact_mass, masses, source)
    if adduct is not None and agrees and not masses and not fault:
        fault = ion_mass_contradiction(exact_mass, adducts.neutral_mass(precursor_mz, adduct), adduct)
    if fault:
        repairs.append(fault)
    return claims


def _agreeing_with_precursor(
    values: Mapping[str, str], precursor_mz: float, adduct: str | None, repairs: list[Fault]
) -> Claims:
    smiles = _only("SMILES", all_values(values, SMILES), _same_molecule, repairs)
    inchi = _only("InChI", all_values(values, INCHI), operator.eq, repairs)
    formula = _only("formula", all_values(values, FORMULA), operator.eq, repairs)
    keys = [key for key in all_values(values, INCHIKEY) if _INCHIKEY_TEXT.match(key)]
    inchikey = _only("InChIKey", keys, _same_first_block, repairs)
    if adduct is None or not (smiles or formula or inchi):
        return Claims(smiles, _key_of(inchi, inchikey, repairs), formula)
    ion = adducts.parse(adduct)
    measured = adducts.neutral_mass(precursor_mz, adduct)
    refuted: dict[str, float] = {}
    fitting = set()
    for name, text, read in (
        ("structure", smiles, smiles_masses),
        ("InChI", inchi, inchi_masses),
        ("formula", formula, formula_masses),
    ):
        masses = _with_protonation(name, text, read(text), ion) if text else ()
        if masses:
            nearest = min(masses, key=lambda mass: abs(mass - measured))
            if abs(nearest - measured) * ion.multimer > TOLERANCE_DA:
                refuted[name] = nearest
            else:
                fitting.add(name)
    if not refuted:
        return Claims(smiles, _key_of(inchi, inchikey, repairs), formula)
    for name, mass in list(refuted.items())[:1]:
        repairs.append(_mismatch(name, mass, precursor_mz, adduct))
    keeps_key = fitting & {"structure", "InChI"} and not refuted.keys() & {"structure", "InChI"}
    return Claims(
        "" if "structure" in refuted else smiles,
        inchikey if keeps_key else "",
        "" if "formula" in refuted else formula,
    )


def _only(name: str, texts: list[str], same: Callable[[str, str], bool], repairs: list[Fault]) -> str:
    """The first of equal values. Different values become one repair, because choosing one is a guess."""
    if all(same(texts[0], other) for other in texts[1:]):
        return texts[0] if texts else ""
    reason = f"The record states several {name} that differ; none of them is used."
    remedy = "Keep the one of the measured molecule."
    repairs.append(Fault("several_structures", reason, remedy))
    return ""


def _same_molecule(first: str, second: str) -> bool:
    """Whether two SMILES are one molecule, regardless of stereo."""
    if max(len(first), len(second)) > _MAX_SMILES:
        return first == second
    with rdBase.BlockLogs():
        mols = [Chem.MolFromSmiles(text) for text in (first, second)]
    if None in mols:
        return False
    return bool(
        Chem.MolToSmiles(mols[0], isomericSmiles=False) == Chem.MolToSmiles(mols[1], isomericSmiles=False)
    )


def _same_first_block(first: str, second: str) -> bool:
    return first[:14] == second[:14]


def _key_of(inchi: str, inchikey: str, repairs: list[Fault]) -> str:
    """The InChIKey, or "" with a repair if it is not the hash of the InChI. Nothing is parsed."""
    if not inchikey or not inchi.startswith("InChI="):
        return inchikey
    with rdBase.BlockLogs():
        key = str(Chem.InchiToInchiKey(inchi.split()[0]))
    if not key or _same_first_block(key, inchikey):
        return inchikey
    reason = f"The InChIKey {inchikey} does not belong to the InChI of the record, and is not used."
    repairs.append(Fault("key_mismatch", reason, "Correct the InChI or the InChIKey."))
    return ""


def _mismatch(name: str, mass: float, precursor_mz: float, adduct: str) -> Fault:
    expected = adducts.precursor_mz(mass, adduct)
    return Fault(
        "structure_mismatch",
        f"The {name} of the record has m/z {expected:.4f} as {adduct}, but the precursor is "
        f"{precursor_mz:.4f}. The {name} is not used.",
        "Correct the structure, the adduct or the precursor.",
    )


def _with_protonation(name: str, text: str, masses: Masses, ion: adducts.Adduct) -> Masses:
    """For [M]+ and [M]-, also the molecule with one proton more or less.

    [M]+ of a structure: of a zwitterion only, by the rule of `zwitterions`. InChI and formula do not show
    charges, and nor does the acid that was measured as [M]-.
    """
    if ion.composition or abs(ion.charge) != 1:
        return masses
    if name == "structure" and ion.charge > 0 and not is_zwitterion(text):
        return masses
    return (*masses, *(mass + ion.charge * _H_MASS for mass in masses))


@lru_cache(maxsize=4096)
def smiles_masses(smiles: str) -> Masses:
    """Without sanitising: implicit hydrogen needs no ring perception, which is slow for cages."""
    if len(smiles) > _MAX_SMILES:
        return ()
    parts: list[tuple[float, int]] = []
    with rdBase.BlockLogs():
        for text in dict.fromkeys(smiles.split(" ")[0].split(".")):
            mol = Chem.MolFromSmiles(text, sanitize=False) if text else None
            if mol is None:
                return ()
            mol.UpdatePropertyCache(strict=False)
            if any(not atom.GetAtomicNum() for atom in mol.GetAtoms()):
                return ()
            parts.append((ExactMolWt(mol), Chem.GetFormalCharge(mol)))
    return _possible_masses(parts)


@lru_cache(maxsize=4096)
def formula_masses(formula: str) -> Masses:
    """Of "C9H8O4", "[C9H9O4]+", "C5H14NO+" and salts such as "C9H13N.HCl"."""
    if len(formula) > _MAX_FORMULA:
        return ()
    parts = []
    for text in formula.replace(" ", "").replace("·", ".").replace("*", "").split("."):
        part = _formula_part(text)
        if part is None:
            return ()
        parts.append(part)
    return _possible_masses(parts)


@lru_cache(maxsize=4096)
def inchi_masses(inchi: str) -> Masses:
    layer = _INCHI_FORMULA.match(inchi)
    if not layer or len(layer[1]) > _MAX_FORMULA or "/i" in inchi:
        return ()
    parts = [_formula_part(text) for text in layer[1].split(".")]
    known = [part for part in parts if part is not None]
    if len(known) != len(parts):
        return ()
    protons = _INCHI_PROTONS.search(inchi)
    charge = _INCHI_CHARGE.search(inchi)
    if len(known) == 1:
        moved = int(protons[1]) if protons else 0
        mass, _ = known[0]
        known = [(mass + moved * _H_MASS, moved + (int(charge[1]) if charge else 0))]
    return _possible_masses(known)


def _formula_part(text: str) -> tuple[float, int] | None:
    """Mass and charge of one component, or None if it is not a formula."""
    charged = _FORMULA_CHARGE.match(text)
    if not charged:
        return None
    body, before, sign, after = charged.groups()
    if before and not sign:
        body += before
    charge = int(before or after or 1) * (1 if sign == "+" else -1) if sign else 0
    if not text.startswith("[") and before and sign:  # "C5H14NO2+" is not doubly charged
        body, charge = body + before, 1 if sign == "+" else -1
    component = _COMPONENT.match(body)
    if not component:
        return None
    mass = 0.0
    for isotope, labelled, labelled_count, symbol, count in _ATOM.findall(component[2]):
        weight = _atom_mass(labelled or symbol, int(isotope or 0))
        if weight is None:
            return None
        mass += weight * int(labelled_count or count or 1)
    return mass * int(component[1] or 1), charge


def _atom_mass(symbol: str, isotope: int) -> float | None:
    if symbol in ("D", "T"):
        symbol, isotope = "H", 2 if symbol == "D" else 3
    number = _ATOMIC_NUMBERS.get(symbol)  # RDKit prints a stack trace for an unknown symbol
    if number is None:
        return None
    table = Chem.GetPeriodicTable()
    mass = table.GetMassForIsotope(number, isotope) if isotope else table.GetMostCommonIsotopeMass(number)
    return float(mass) or None


def _possible_masses(parts: list[tuple[float, int]]) -> Masses:
    """The whole and, of salts, each component: as drawn, and with its charge taken away by protons."""
    if not parts:
        return ()
    whole = (sum(mass for mass, _ in parts), sum(charge for _, charge in parts))
    masses = []
    for mass, charge in dict.fromkeys((whole, *parts)):
        masses.append(mass)
        if charge:
            masses.append(mass - charge * _H_MASS)
    return tuple(masses)
