"""Compares what a record states twice about its molecule: the SMILES with InChI, InChIKey and exact mass."""

from __future__ import annotations

import re
from functools import lru_cache

from rdkit import Chem, rdBase

from models_ml.spectra.formats.items import Fault
from models_ml.spectra.formats.numbers import NotANumber, read_number

EXACT_MASS = ("exactmass", "chexactmass", "monoisotopicmass", "monoisotopicmolecularweight", "totalexactmass")

_MAX_SMILES = 600  # characters
_MAX_PARTS = 8  # of a salt or mixture
_DECIMALS = re.compile(r"[.,](\d+)\s*$")
# Besides the rounding: masses of ions lack an electron, and old tables have less precise masses of elements.
_MASS_TOLERANCE_DA = 0.02
_ION_TOLERANCE_DA = 0.6  # of a precursor, which old records round
_H_MASS = 1.00782503
_NOMINAL_TOLERANCE_DA = 1.0  # nominal masses add up the mass numbers, so they drift


@lru_cache(maxsize=4096)
def first_blocks(smiles: str) -> frozenset[str]:
    """First blocks of the InChIKeys that a SMILES can have: of the whole and of each part of a salt.

    InChI moves protons and mobile hydrogens itself, so most tautomers and charge states have one first block.
    Empty for a text that is not a structure, or too long.
    """
    if len(smiles) > _MAX_SMILES:
        return frozenset()
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
        if mol is None:
            return frozenset()
        parts = Chem.GetMolFrags(mol, asMols=True) if "." in smiles else ()
        mols = (mol, *parts) if len(parts) <= _MAX_PARTS else (mol,)
        keys = {str(Chem.MolToInchiKey(item)) for item in mols}
    return frozenset(key.split("-")[0] for key in keys if key)


def structure_contradiction(smiles: str, inchi: str, inchikey: str) -> Fault | None:
    """The fault of a record whose SMILES is another molecule than its InChI or InChIKey. None: they agree.

    Stereo, isotopes and charges do not count. Texts that cannot be read are not compared. A SMILES takes
    about a millisecond once.
    """
    for name, key in (("InChI", _key_of(inchi)), ("InChIKey", inchikey)):
        if not smiles or not key:
            continue
        blocks = first_blocks(smiles)
        if blocks and key[:14] not in blocks:
            return Fault(
                "structures_differ",
                f"The SMILES of the record is another molecule ({min(blocks)}) than its {name} ({key[:14]}). "
                "None of them is used.",
                "Keep the one of the measured molecule.",
            )
    return None


def mass_contradiction(text: str, masses: tuple[float, ...], source: str) -> Fault | None:
    """The fault of a stated exact mass that is not that of the structure. None: it is, or is unreadable.

    `masses` in Da: of the molecules that the structure can mean. `source`: "structure", "InChI" or "formula".
    """
    try:
        stated = read_number(text)[0] if text and masses else 0.0
    except NotANumber:
        return None
    if stated <= 0:
        return None
    nearest = min(masses, key=lambda mass: abs(mass - stated))
    if abs(nearest - stated) <= mass_tolerance(text):
        return None
    return Fault(
        "exact_mass_differs",
        f"The record states the exact mass {text.strip()[:30]}, but its {source} has {nearest:.4f}. "
        "The stated mass is not used.",
        "Correct the mass or the structure. An average mass is no exact mass.",
    )


def formula_contradiction(formula: str, masses: tuple[float, ...], known: tuple[float, ...]) -> Fault | None:
    """The fault of a formula that is not that of the structure. None: it is, or one of them is unreadable.

    `masses` in Da: of the formula. `known`: of the structure. A formula may be that of the ion: one hydrogen
    more or less is no contradiction.
    """
    differences = [abs(stated - mass) for stated in masses for mass in known]
    if not differences or min(min(d, abs(d - _H_MASS)) for d in differences) <= _MASS_TOLERANCE_DA:
        return None
    return Fault(
        "formula_differs",
        f"The formula {formula[:60]} of the record has {masses[0]:.4f} Da, but its structure has "
        f"{known[0]:.4f} Da. None of them is used.",
        "Keep the one of the measured molecule.",
    )


def ion_mass_contradiction(text: str, neutral_mass: float, adduct: str) -> Fault | None:
    """The fault of a stated exact mass that is not that of the precursor with its adduct."""
    try:
        stated = read_number(text)[0] if text else 0.0
    except NotANumber:
        return None
    tolerance = max(_ION_TOLERANCE_DA, mass_tolerance(text))
    # [M]+ and [M]- can be those of a molecule that lost or took a proton.
    shifts = (0.0, _H_MASS, -_H_MASS) if adduct in ("[M]+", "[M]-") else (0.0,)
    if stated <= 0 or min(abs(stated + shift - neutral_mass) for shift in shifts) <= tolerance:
        return None
    return Fault(
        "exact_mass_differs",
        f"The record states the exact mass {text.strip()[:30]}, but its precursor m/z as {adduct} gives "
        f"{neutral_mass:.4f}. The precursor and the adduct are used.",
        "Correct the mass, the precursor or the adduct.",
    )


def mass_tolerance(text: str) -> float:
    """How far a stated exact mass may be off in Da, by its number of decimals."""
    decimals = _DECIMALS.search(text.strip())
    if not decimals or not decimals[1].strip("0"):
        return _NOMINAL_TOLERANCE_DA
    return float(_MASS_TOLERANCE_DA + 0.5 * 10 ** -len(decimals[1]))


def _key_of(inchi: str) -> str:
    """The InChIKey of an InChI, a hash. "" for other text."""
    if not inchi.startswith("InChI="):
        return ""
    with rdBase.BlockLogs():
        return str(Chem.InchiToInchiKey(inchi.split()[0]))
