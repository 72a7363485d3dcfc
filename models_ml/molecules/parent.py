"""The neutral parent of a drawn structure: without salts, counter-ions and drawing variants, with stereo."""

from __future__ import annotations

import threading

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize

from models_ml.molecules.metals import (
    contains_metal,
    refuse_abbreviations,
    refuse_inorganic_metal,
    refuse_lone_atom,
    refuse_lost_centre,
    without_counter_metals,
)

# RDKit's normaliser draws sulfoxides with separate charges. PubChem and most libraries draw S=O, as we do.
_CHARGED_SULFOXIDE = Chem.MolFromSmarts("[#16X3+:1](-[OX1-:2])([!O])[!O]")
# Acids that lose their proton next to a permanent cation, strongest first.
_ACIDS = [Chem.MolFromSmarts(smarts) for smarts in ("[OX2H1]S(=O)=O", "[OX2H1]P=O", "[OX2H1]C=O")]
_CHARGED = Chem.MolFromSmarts("[!+0]")
_LONE_CATION = Chem.MolFromSmarts("[+;!$([+]~[-])]")


class _Tools(threading.local):
    """RDKit's standardisers, one set for each thread: they keep state between calls."""

    def __init__(self) -> None:
        parameters = rdMolStandardize.CleanupParameters()
        parameters.preferOrganic = True  # of [EMIM][PF6] the imidazolium, not the heavier anion
        self.normalise = rdMolStandardize.Normalizer().normalize
        self.reionise = rdMolStandardize.Reionizer().reionize
        self.largest = rdMolStandardize.LargestFragmentChooser(parameters).choose
        self.uncharge = rdMolStandardize.Uncharger().uncharge
        self.protonate = rdMolStandardize.Uncharger(canonicalOrder=True, force=True).uncharge


_tools = _Tools()


def parent_structure(mol: Chem.Mol) -> Chem.Mol:
    """Largest organic fragment, neutral if a proton can neutralise it, with stereo and isotopes as drawn.

    Uncharged single molecules are returned unchanged: nine of ten in a library, which saves two thirds of the
    time. After parsing, RDKit's clean-up changes nothing in an uncharged molecule except sulfoxides, and
    these are to stay as they are. Raises UnusableStructure for a metal complex, see `metals`.
    """
    has_metal = contains_metal(mol)
    if has_metal:
        refuse_abbreviations(mol)
    whole = without_counter_metals(mol) if has_metal else mol
    charged = _is_charged(whole)
    if charged:
        whole = _tools.reionise(_tools.normalise(whole))
    if len(Chem.GetMolFrags(whole)) > 1:
        parts, whole = whole, _tools.largest(whole)
        if has_metal:
            refuse_lost_centre(parts, whole)
        refuse_lone_atom(whole)
    if charged and _is_charged(whole):
        whole = _balanced(_neutral_sulfoxides(_tools.uncharge(whole)))
    if has_metal:
        refuse_inorganic_metal(whole)
    return whole


def _is_charged(mol: Chem.Mol) -> bool:
    return bool(mol.HasSubstructMatch(_CHARGED))


def _neutral_sulfoxides(mol: Chem.Mol) -> Chem.Mol:
    matches = mol.GetSubstructMatches(_CHARGED_SULFOXIDE)
    if not matches:
        return mol
    edited = Chem.RWMol(mol)
    for sulfur, oxygen, *_ in matches:
        edited.GetAtomWithIdx(sulfur).SetFormalCharge(0)
        edited.GetAtomWithIdx(oxygen).SetFormalCharge(0)
        edited.GetBondBetweenAtoms(sulfur, oxygen).SetBondType(Chem.BondType.DOUBLE)
    Chem.SanitizeMol(edited)
    return edited.GetMol()


def _balanced(mol: Chem.Mol) -> Chem.Mol:
    """The zwitterion of a permanent cation with acid groups, whichever form was drawn.

    Carnitine drawn as a cation and as a zwitterion has one InChIKey. Without this step it would have two
    masses.
    """
    if not mol.HasSubstructMatch(_LONE_CATION):
        return mol
    cation = _tools.protonate(mol)
    surplus = Chem.GetFormalCharge(cation)
    oxygens = _acid_oxygens(cation)[:surplus] if surplus > 0 else []
    if not oxygens or surplus - len(oxygens) > Chem.GetFormalCharge(mol):
        return mol  # charges that no acid balances, as in merocyanines, stay as drawn
    edited = Chem.RWMol(cation)
    for index in oxygens:
        oxygen = edited.GetAtomWithIdx(index)
        oxygen.SetFormalCharge(-1)
        oxygen.SetNumExplicitHs(0)
        oxygen.SetNoImplicit(True)
    Chem.SanitizeMol(edited)
    return edited.GetMol()


def _acid_oxygens(mol: Chem.Mol) -> list[int]:
    """Oxygens of acidic OH groups, strongest acid first, then by canonical rank instead of drawing order."""
    ranks = list(Chem.CanonicalRankAtoms(mol))
    found: list[int] = []
    for acid in _ACIDS:
        oxygens = {match[0] for match in mol.GetSubstructMatches(acid)} - set(found)
        found += sorted(oxygens, key=lambda index: ranks[index])
    return found
