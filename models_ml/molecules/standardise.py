"""The standard form of a structure, in which molecules are stored, compared and exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rdkit import Chem
from rdkit.Chem import rdqueries

from models_ml.molecules import metals
from models_ml.molecules.fingerprint import morgan_fingerprint
from models_ml.molecules.formula import exact_mass, hill_formula
from models_ml.molecules.parent import parent_structure
from models_ml.molecules.structure_text import (
    DEFAULT_LIMITS,
    StructureLimits,
    UnusableStructure,
    parse_structure,
    refuse_unusable,
    split_extension,
)

__all__ = [
    "NOTE_TEXTS",
    "StandardMolecule",
    "StructureLimits",
    "UnusableStructure",
    "canonical_smiles",
    "identify",
    "standardise",
    "standardise_many",
]

_NOT_ORGANIC = "Remove it, or import the organic ligand instead if that is what was measured."
_ISOTOPE = rdqueries.IsotopeGreaterQueryAtom(0)
_LARGE_PART = 6  # heavy atoms
_MAPPED = rdqueries.HasPropQueryAtom("molAtomMapNumber")


@dataclass(frozen=True, slots=True)
class StandardMolecule:
    """A molecule in the standard form. `inchikey_first_block` identifies it."""

    smiles: str  # canonical, without stereo and isotopes, of the neutral parent: the input of models
    drawn_smiles: str  # canonical SMILES of the whole input: stereo, isotopes, salts and charges as drawn
    inchikey: str  # of the neutral parent, with stereo and isotopes as drawn
    inchikey_first_block: str  # of `smiles`
    formula: str  # Hill order, with a permanent charge at the end
    exact_mass: float  # Da, monoisotopic; for permanent charges see `formula.exact_mass`
    fingerprint: bytes  # Morgan radius 2, 2048 bits, packed
    # How the standard form differs from the drawing, or from a usual molecule: keys of NOTE_TEXTS.
    notes: tuple[str, ...] = ()


NOTE_TEXTS = {
    "fragments_removed": "Counter-ions, solvents or smaller fragments were removed.",
    "charges_changed": "Charges were changed to give the neutral form, the zwitterion, or S=O.",
    "metal_removed": "A metal was removed as a counter-ion, though its bonds are drawn.",
    "metal_kept": "The molecule has a metal, which stays with its bonds.",
    "isotopes_removed": "Isotope labels were removed.",
    "permanent_charge": "The molecule has a charge that no proton neutralises.",
    "atom_maps_removed": "Atom map numbers were removed.",
    "part_removed": "The largest organic part was kept; another part has at least half its atoms.",
    "unpaired_electrons": "The molecule is a radical: an atom has unpaired electrons, or lacks hydrogens.",
    "extension_removed": "The ChemAxon extension of the SMILES was removed.",
}


def standardise(structure: str | Chem.Mol, *, limits: StructureLimits = DEFAULT_LIMITS) -> StandardMolecule:
    """Standard form of a SMILES, an InChI, a molfile or an RDKit molecule.

    Raises UnusableStructure. Sizes are checked before RDKit parses anything. A hostile structure can still
    kill the process, so uploaded files go through `standardised_rows`, which uses a child process.
    """
    mol, notes = _without_maps(_as_mol(structure, limits))
    if isinstance(structure, str) and "|" in structure and split_extension(structure)[1]:
        notes += ("extension_removed",)
    drawn_smiles = Chem.MolToSmiles(mol)
    try:
        parent = parent_structure(mol)
        flat, smiles = _stereo_free(parent, source=structure)
    except (Chem.MolSanitizeException, RuntimeError, ValueError) as error:
        if reason := metals.true_reason(mol):
            raise UnusableStructure(reason[0], f"{reason[1]}.", _NOT_ORGANIC) from error
        raise UnusableStructure(
            "standardisation_failed",
            f"The structure cannot be neutralised ({error}).",
            "Draw the neutral main molecule without its counter-ion.",
        ) from error
    refuse_unusable(flat, limits)
    flat_key = _inchikey(flat)
    drawn_key = flat_key if drawn_smiles == smiles else _inchikey(parent)
    return StandardMolecule(
        smiles=smiles,
        drawn_smiles=drawn_smiles,
        inchikey=drawn_key,
        inchikey_first_block=flat_key.split("-")[0],
        formula=hill_formula(flat),
        exact_mass=exact_mass(flat),
        fingerprint=morgan_fingerprint(flat),
        notes=notes + _notes(mol, parent, drawn_smiles),
    )


def standardise_many(
    structures: Iterable[str], *, limits: StructureLimits = DEFAULT_LIMITS
) -> Iterator[StandardMolecule | UnusableStructure]:
    """One result for each structure, in order. For an unusable structure the exception is the result."""
    for structure in structures:
        try:
            yield standardise(structure, limits=limits)
        except UnusableStructure as refusal:
            yield refusal


def canonical_smiles(text: str, *, limits: StructureLimits = DEFAULT_LIMITS) -> str | None:
    """The standard SMILES of a text, or None if it is not a usable molecule. For generated strings."""
    try:
        mol, _ = _without_maps(parse_structure(text, limits))
        return _stereo_free(parent_structure(mol))[1]
    except (UnusableStructure, Chem.MolSanitizeException, RuntimeError, ValueError):
        return None


def identify(text: str, *, limits: StructureLimits = DEFAULT_LIMITS) -> StandardMolecule | None:
    """`standardise`, or None if the text is not a usable molecule. For generated strings."""
    try:
        return standardise(text, limits=limits)
    except UnusableStructure:
        return None


def _as_mol(structure: str | Chem.Mol, limits: StructureLimits) -> Chem.Mol:
    if isinstance(structure, str):
        return parse_structure(structure, limits)
    mol = Chem.RemoveHs(structure)
    refuse_unusable(mol, limits)
    return mol


def _without_maps(mol: Chem.Mol) -> tuple[Chem.Mol, tuple[str, ...]]:
    """The molecule without atom maps, which number the atoms of a reaction, and a note if it had some."""
    mapped = mol.GetAtomsMatchingQuery(_MAPPED)
    if not len(mapped):
        return mol, ()
    plain = Chem.Mol(mol)
    for atom in plain.GetAtoms():
        atom.SetAtomMapNum(0)
    return Chem.RemoveHs(plain), ("atom_maps_removed",)  # mapped hydrogens have become plain ones


def _stereo_free(parent: Chem.Mol, source: object = None) -> tuple[Chem.Mol, str]:
    """Molecule and canonical SMILES without stereo and isotopes. Standardising the result changes nothing.

    `source` is the input of `parent`. If it is the canonical SMILES already, nothing is parsed again.
    """
    flat = Chem.Mol(parent)
    Chem.RemoveStereochemistry(flat)
    if _has_isotopes(flat):
        for atom in flat.GetAtoms():
            atom.SetIsotope(0)
        flat = Chem.RemoveHs(flat)  # [2H] has become a plain hydrogen
    smiles = Chem.MolToSmiles(flat)
    if smiles == source:
        return flat, smiles
    # RDKit perceives aromaticity and ranks again from the SMILES, which can change the SMILES once more.
    for _ in range(3):
        flat = Chem.MolFromSmiles(smiles)
        if flat is None:
            raise ValueError("its standard form cannot be read back")
        again = Chem.MolToSmiles(flat)
        if again == smiles:
            break
        smiles = again
    return flat, smiles


def _inchikey(mol: Chem.Mol) -> str:
    key = str(Chem.MolToInchiKey(mol))
    if not key:
        if reason := metals.true_reason(mol):
            raise UnusableStructure(reason[0], f"{reason[1]}.", _NOT_ORGANIC)
        raise UnusableStructure(
            "inchi_failed",
            "No InChIKey can be computed for the structure, so it cannot be identified.",
            "Check unusual bonds and valences, or remove the structure.",
        )
    return key


def _notes(mol: Chem.Mol, parent: Chem.Mol, drawn_smiles: str) -> tuple[str, ...]:
    notes = []
    if parent.GetNumHeavyAtoms() < mol.GetNumHeavyAtoms():
        notes.append("fragments_removed")
        if _loses_large_part(mol, parent):
            notes.append("part_removed")
    elif parent is not mol and _charges(parent) != _charges(mol):
        notes.append("charges_changed")
    if _has_isotopes(parent):
        notes.append("isotopes_removed")
    if Chem.GetFormalCharge(parent):
        notes.append("permanent_charge")
    if "[" in drawn_smiles and metals.contains_metal(mol):
        if metals.contains_metal(parent):
            notes.append("metal_kept")
        elif metals.has_bound_metal(mol):
            notes.append("metal_removed")
    if "[" in drawn_smiles and any(atom.GetNumRadicalElectrons() for atom in parent.GetAtoms()):
        notes.append("unpaired_electrons")
    return tuple(notes)


def _loses_large_part(mol: Chem.Mol, parent: Chem.Mol) -> bool:
    """Whether a removed part with carbon has at least half the heavy atoms of the parent, and six or more."""
    parts = Chem.GetMolFrags(mol)
    if len(parts) < 2:
        return False
    least = max(_LARGE_PART, parent.GetNumHeavyAtoms() / 2)
    large = [
        part
        for part in parts
        if len(part) >= least and any(mol.GetAtomWithIdx(index).GetAtomicNum() == 6 for index in part)
    ]
    return len({Chem.MolFragmentToSmiles(mol, part) for part in large}) > 1


def _charges(mol: Chem.Mol) -> list[int]:
    return sorted(charge for atom in mol.GetAtoms() if (charge := atom.GetFormalCharge()))


def _has_isotopes(mol: Chem.Mol) -> bool:
    return len(mol.GetAtomsMatchingQuery(_ISOTOPE)) > 0
