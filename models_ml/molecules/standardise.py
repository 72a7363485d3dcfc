"""One structure, one identity: the standard form by which molecules are stored, compared and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rdkit import Chem
from rdkit.Chem import rdqueries

from models_ml.molecules.fingerprint import morgan_fingerprint
from models_ml.molecules.formula import exact_mass, hill_formula
from models_ml.molecules.parent import parent_structure
from models_ml.molecules.structure_text import (
    DEFAULT_LIMITS,
    StructureLimits,
    UnusableStructure,
    parse_structure,
    refuse_unusable,
)

__all__ = [
    "StandardMolecule",
    "StructureLimits",
    "UnusableStructure",
    "canonical_smiles",
    "identify",
    "standardise",
    "standardise_many",
]

_ISOTOPE = rdqueries.IsotopeGreaterQueryAtom(0)


@dataclass(frozen=True, slots=True)
class StandardMolecule:
    """A molecule in the standard form. `inchikey_first_block` is the identity; the rest follows from it."""

    smiles: str  # canonical, stereo-free, isotope-free, neutral largest fragment: what models read
    drawn_smiles: str  # canonical SMILES of the whole input, stereo, isotopes, salts and charges as drawn
    inchikey: str  # of the neutral parent with stereo and isotopes as drawn
    inchikey_first_block: str  # of `smiles`
    formula: str  # Hill, a permanent charge at its end
    exact_mass: float  # Da, monoisotopic, electrons of a permanent charge not counted; see formula.exact_mass
    fingerprint: bytes  # Morgan radius 2, 2048 bits, packed
    # What the standard form leaves out or keeps unusually: "fragments_removed", "isotopes_removed",
    # "permanent_charge".
    notes: tuple[str, ...] = ()


def standardise(structure: str | Chem.Mol, *, limits: StructureLimits = DEFAULT_LIMITS) -> StandardMolecule:
    """Standard form of a SMILES, an InChI, a molfile or an RDKit molecule.

    Raises UnusableStructure. Sizes are checked before RDKit parses anything, yet a hostile structure may
    still kill the process: text that people upload goes through `standardised_rows`, in a child process.
    """
    mol = _as_mol(structure, limits)
    drawn_smiles = Chem.MolToSmiles(mol)
    try:
        parent = parent_structure(mol)
        flat, smiles = _stereo_free(parent, written=structure)
    except (Chem.MolSanitizeException, RuntimeError, ValueError) as error:
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
        notes=_notes(mol, parent),
    )


def standardise_many(
    structures: Iterable[str], *, limits: StructureLimits = DEFAULT_LIMITS
) -> Iterator[StandardMolecule | UnusableStructure]:
    """One result a structure, in order; a bad structure gives its refusal instead of raising it."""
    for structure in structures:
        try:
            yield standardise(structure, limits=limits)
        except UnusableStructure as refusal:
            yield refusal


def canonical_smiles(text: str, *, limits: StructureLimits = DEFAULT_LIMITS) -> str | None:
    """The standard SMILES of a text, or None if it is no usable molecule. For generated strings."""
    try:
        return _stereo_free(parent_structure(parse_structure(text, limits)))[1]
    except (UnusableStructure, Chem.MolSanitizeException, RuntimeError, ValueError):
        return None


def identify(text: str, *, limits: StructureLimits = DEFAULT_LIMITS) -> StandardMolecule | None:
    """`standardise`, with None for text that is no usable molecule. For generated strings."""
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


def _stereo_free(parent: Chem.Mol, written: object = None) -> tuple[Chem.Mol, str]:
    """Molecule and canonical SMILES without stereo and isotopes, stable under being standardised again.

    `written` is what `parent` was read from; if it is that SMILES already, nothing is read again.
    """
    flat = Chem.Mol(parent)
    Chem.RemoveStereochemistry(flat)
    if _has_isotopes(flat):
        for atom in flat.GetAtoms():
            atom.SetIsotope(0)
        flat = Chem.RemoveHs(flat)  # a former [2H] is a plain hydrogen now
    smiles = Chem.MolToSmiles(flat)
    if smiles == written:
        return flat, smiles
    # Aromaticity and ranks are perceived anew from the SMILES, which can change it once more.
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
        raise UnusableStructure(
            "inchi_failed",
            "No InChIKey can be computed for the structure, so it has no identity to be stored under.",
            "Check unusual bonds and valences, or leave the row out.",
        )
    return key


def _notes(mol: Chem.Mol, parent: Chem.Mol) -> tuple[str, ...]:
    notes = []
    if parent.GetNumHeavyAtoms() < mol.GetNumHeavyAtoms():
        notes.append("fragments_removed")
    if _has_isotopes(parent):
        notes.append("isotopes_removed")
    if Chem.GetFormalCharge(parent):
        notes.append("permanent_charge")
    return tuple(notes)


def _has_isotopes(mol: Chem.Mol) -> bool:
    return len(mol.GetAtomsMatchingQuery(_ISOTOPE)) > 0
