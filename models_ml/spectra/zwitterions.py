"""Zwitterions whose spectra carry `[M]+`, such as betaines and acylcarnitines. One rule for both notations.

Such a molecule has a permanent cation and an acid anion. Libraries draw it without a net charge, and spectra
name its protonated form `[M]+`, the cation as it flies. That ion is the `[M+H]+` of the molecule as drawn. So
an `[M]+` has two meanings: the molecule itself without an electron, or a zwitterion of this module with a
proton. The search, mass errors, references and the claims of spectrum files all ask here.
"""

from __future__ import annotations

from functools import lru_cache

from rdkit import Chem, rdBase

from models_ml.spectra import adducts

NAMED_AS, MEANT = "[M]+", "[M+H]+"

# No proton can neutralise the cation, and no neighbour balances it as in nitro groups, N-oxides and ylides.
# Quaternary ammonium, phosphonium, sulfonium, arsonium, selenonium, pyridinium and pyrylium.
_CATION = Chem.MolFromSmarts("[#7,#8,#15,#16,#33,#34;+1;H0;!$(*~[-])]")
_ANION = Chem.MolFromSmarts("[#8,#16;-1;!$(*~[+])]")
_MAX_LENGTH = 5_000  # characters, as for structures of a library


def zwitterion_mass(precursor_mz: float, adduct: str) -> float | None:
    """Neutral mass in Da of the zwitterions that an ion named `adduct` can be. None: it can be none."""
    return adducts.neutral_mass(precursor_mz, MEANT) if adduct == NAMED_AS else None


def adduct_of(smiles: str, exact_mass: float, precursor_mz: float, adduct: str) -> str:
    """The adduct that a molecule has in a spectrum named `adduct`: `[M+H]+` for a zwitterion of that mass.

    Other molecules, and other masses, keep `adduct`. `exact_mass` in Da, of the neutral molecule.
    """
    mass = zwitterion_mass(precursor_mz, adduct)
    if mass is None or not _is_nearer(exact_mass, mass, adducts.neutral_mass(precursor_mz, adduct)):
        return adduct
    return MEANT if is_zwitterion(smiles) else adduct


@lru_cache(maxsize=20_000)
def is_zwitterion(smiles: str) -> bool:
    """Whether a structure has no net charge, a permanent cation, and an oxygen or sulfur anion.

    False for a text that is not a structure. Ring perception is not needed, so nothing is sanitised.
    """
    if "+" not in smiles or "-]" not in smiles or len(smiles) > _MAX_LENGTH:
        return False
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles, sanitize=False)
    if mol is None or Chem.GetFormalCharge(mol):
        return False
    mol.UpdatePropertyCache(strict=False)
    return bool(mol.HasSubstructMatch(_CATION) and mol.HasSubstructMatch(_ANION))


def _is_nearer(mass: float, first: float, second: float) -> bool:
    return abs(mass - first) < abs(mass - second)
