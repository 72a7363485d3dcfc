"""Parses SMILES, InChI or molfile text to an RDKit molecule. Checks its size before RDKit reads it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from models_ml.molecules.formula import parse_formula


class UnusableStructure(Exception):
    """The structure cannot be used. Holds a stable code, the reason, and how to fix it."""

    def __init__(self, code: str, reason: str, remedy: str) -> None:
        super().__init__(code, reason, remedy)
        self.code = code
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.reason} {self.remedy}"


@dataclass(frozen=True, slots=True)
class StructureLimits:
    """Maximum size of one structure.

    RDKit crashes without an exception on a chain of 20,000 atoms, and InChI computes no key from 1,024 atoms
    on. Molecules that MS/MS can identify have fewer than 250 heavy atoms.
    """

    max_heavy_atoms: int = 250
    max_text_length: int = 5_000  # SMILES or InChI
    max_molfile_length: int = 200_000


DEFAULT_LIMITS = StructureLimits()

_SMILES_ATOM = re.compile(r"\[[^\]]*\]|Cl|Br|[BCNOPSFIbcnops*]")
_INCHI_START = re.compile(r"\s*(?:InChI=)?(?=1S?/[A-Z0-9])", re.IGNORECASE)
_INCHI_PROTONS = re.compile(r"/p([+-]\d{1,3})(?=/|$)")
_HYDROGEN_ATOM = re.compile(r"\[\d*H\d*[+-]?\d*(?::\d+)?\]")
_V3000_COUNTS = re.compile(r"^M\s+V30\s+COUNTS\s+(\d+)", re.MULTILINE)
# ChemAxon extension of a SMILES: "CCO |$R1$| name".
_EXTENDED = re.compile(r"(\S+)\s+\|([^|]*)\|\s*(.*)", re.DOTALL)
_LABELS = re.compile(r"\$[^$]*\$|\([^()]*\)")  # atom labels and coordinates; they can hold any text
# Parts of an extension without which the SMILES is another molecule: pattern, code, name, remedy.
_COMPLETE = "Write one complete molecule."
_CHANGING_PARTS = (
    (re.compile(r"(?:^|,)Sg:(?!gen|c:|c\d*:|mix|f:)"), "polymer", "a polymer (Sg:)", _COMPLETE),
    (re.compile(r"(?:^|,)LN:"), "link_node", "a link node, a part that repeats (LN:)", _COMPLETE),
    (re.compile(r"(?:^|,)m:"), "variable_attachment", "a bond with several possible ends (m:)", _COMPLETE),
    (re.compile(r"(?:^|,)(?:RG|LOG):"), "query_atoms", "R groups (RG:)", _COMPLETE),
    (re.compile(r"(?:^|,)(?:u|s|rb):"), "query_atoms", "query conditions (u:, s:, rb:)", _COMPLETE),
    (re.compile(r"(?:^|,)[CHZ]:"), "unusual_bonds", "bonds that are not covalent (C:, H:, Z:)",
     "Draw the molecule with covalent bonds only."),
)  # fmt: skip
_ATTACHMENT_POINT = re.compile(r"_AP\d*")
_POLYMER_TYPES = r"SRU|MON|COP|MER|CRO|MOD|GRA|ANY"
_V2000_POLYMER = re.compile(rf"^M  STY.*\s({_POLYMER_TYPES})\b", re.MULTILINE | re.IGNORECASE)
_V3000_POLYMER = re.compile(rf"^M  V30 +\d+ +({_POLYMER_TYPES}) ", re.MULTILINE | re.IGNORECASE)
_ATTACHMENTS = re.compile(r"^M  APO |^M  V30 .*\bATTCHPT=", re.MULTILINE)
_VARIABLE_BOND = re.compile(r"^M  V30 .*\bENDPTS=.*\bATTACH=ANY", re.MULTILINE)
_PLACEHOLDER = Chem.MolFromSmarts("[#0]")
_MAX_QUOTED = 60  # characters of a bad structure in a message


def text_format(text: str) -> str:
    """ "inchi", "molfile" or "smiles", from the shape of the text."""
    if _INCHI_START.match(text):
        return "inchi"
    return "molfile" if "\n" in text.strip() else "smiles"


def parse_structure(text: str, limits: StructureLimits = DEFAULT_LIMITS) -> Chem.Mol:
    """Sanitised molecule without explicit hydrogens. Raises UnusableStructure."""
    kind = text_format(text)
    if kind == "smiles":
        text, extension, _ = split_extension(text)
        if text.replace("->", "").count(">") == 2:
            raise UnusableStructure(
                "reaction",
                "The text is a reaction, not one molecule.",
                "Write each molecule of the reaction in its own row.",
            )
        _refuse_changing_extension(extension)
    elif kind == "molfile":
        if len(text) <= limits.max_molfile_length:
            _refuse_molfile_groups(text)
    else:
        text = _INCHI_START.sub("InChI=", text.strip(), count=1)  # tables cut off "InChI="
    _refuse_oversized(text, kind, limits)
    mol = _READERS[kind](text, True)
    if mol is None:
        raise _why_unparsable(text, kind)
    refuse_unusable(mol, limits)
    return mol


def split_extension(text: str) -> tuple[str, str, str]:
    """SMILES, ChemAxon extension without its bars, and the name after it. Often only the first is there."""
    text = text.strip()
    match = _EXTENDED.fullmatch(text) if "|" in text else None
    return (match[1], match[2], match[3]) if match else (text, "", "")


def refuse_unusable(mol: Chem.Mol, limits: StructureLimits) -> None:
    """Raise UnusableStructure for an empty, too large or not fully specified molecule."""
    if mol.GetNumHeavyAtoms() == 0:
        raise UnusableStructure(
            "empty", "The structure has no atom except hydrogen.", "Enter a molecule with heavy atoms."
        )
    if mol.GetNumHeavyAtoms() > limits.max_heavy_atoms:
        raise _too_many_atoms(mol.GetNumHeavyAtoms(), limits)
    if mol.HasSubstructMatch(_PLACEHOLDER) or _has_query(mol):
        raise UnusableStructure(
            "query_atoms",
            "The structure has placeholder atoms or bonds (*, R, A, Q), so its formula is not defined.",
            "Draw one complete molecule in each row.",
        )


def _refuse_changing_extension(extension: str) -> None:
    if not extension:
        return
    labels = _LABELS.findall(extension)
    if any(_ATTACHMENT_POINT.search(label) for label in labels):
        raise _attachment_point()
    rest = _LABELS.sub("", extension)
    for pattern, code, name, remedy in _CHANGING_PARTS:
        if pattern.search(rest):
            raise UnusableStructure(
                code, f"The extension of the SMILES states {name}, so the formula is not defined.", remedy
            )


def _refuse_molfile_groups(text: str) -> None:
    """Refuse what a molfile states beside its atoms and RDKit ignores: repeating units, open bonds."""
    if match := _V2000_POLYMER.search(text) or _V3000_POLYMER.search(text):
        raise UnusableStructure(
            "polymer",
            f"The drawing is a polymer: it has a repeating unit ({match[1].upper()}), so its formula is not "
            "defined.",
            "Draw one molecule with a fixed number of units.",
        )
    if _ATTACHMENTS.search(text):
        raise _attachment_point()
    if _VARIABLE_BOND.search(text):
        raise UnusableStructure(
            "variable_attachment",
            "The drawing has a bond with several possible ends, so it is more than one molecule.",
            "Draw one complete molecule in each row.",
        )


def _attachment_point() -> UnusableStructure:
    return UnusableStructure(
        "attachment_point",
        "The structure has an attachment point, so it is a part of a molecule.",
        "Draw one complete molecule in each row.",
    )


def _has_query(mol: Chem.Mol) -> bool:
    """Whether a molfile has atom lists or "any" bonds. SMILES and InChI cannot have them."""
    if not mol.HasProp("_MolFileInfo"):
        return False
    atoms, bonds = mol.GetAtoms(), mol.GetBonds()
    return any(atom.HasQuery() for atom in atoms) or any(bond.HasQuery() for bond in bonds)


def _refuse_oversized(text: str, kind: str, limits: StructureLimits) -> None:
    if not text.strip():
        raise UnusableStructure("empty", "The structure is empty.", "Enter a SMILES, an InChI or a molfile.")
    allowed = limits.max_molfile_length if kind == "molfile" else limits.max_text_length
    if len(text) > allowed:
        raise UnusableStructure(
            "too_long",
            f"The text of the structure has {len(text):,} characters; the limit is {allowed:,}.",
            "Remove polymers and proteins, or check that the row holds one structure only.",
        )
    n_atoms = _ESTIMATES[kind](text)
    # The atoms of a molfile can include hydrogens; no molecule has four for each heavy atom.
    allowed_atoms = limits.max_heavy_atoms if kind != "molfile" else 4 * limits.max_heavy_atoms
    if n_atoms > allowed_atoms:
        raise _too_many_atoms(n_atoms, limits)


def _too_many_atoms(n_atoms: int, limits: StructureLimits) -> UnusableStructure:
    return UnusableStructure(
        "too_many_atoms",
        f"The structure has {n_atoms:,} atoms; the limit is {limits.max_heavy_atoms:,} without hydrogens.",
        "Remove it: molecules of this size cannot be identified from one MS/MS spectrum.",
    )


def _smiles_atoms(text: str) -> int:
    """Number of heavy atoms of a SMILES, counted without parsing it."""
    return sum(1 for token in _SMILES_ATOM.findall(text) if not _HYDROGEN_ATOM.fullmatch(token))


def _inchi_atoms(text: str) -> int:
    """Number of heavy atoms in the formula layer of an InChI; 0 if it cannot be read: then parsing fails."""
    layers = text.split("/")
    total = 0
    for part in layers[1].split(".") if len(layers) > 1 else []:
        multiplier, formula = re.match(r"(\d*)(.*)", part, re.DOTALL).groups()  # type: ignore[union-attr]
        try:
            counts = parse_formula(formula)
        except ValueError:
            return 0
        total += int(multiplier or 1) * sum(n for symbol, n in counts.items() if symbol != "H")
    return total


def _molfile_atoms(text: str) -> int:
    """Number of atoms in the counts line, V3000 or V2000; 0 if it cannot be read."""
    if match := _V3000_COUNTS.search(text):
        return int(match.group(1))
    lines = text.splitlines()
    counts = lines[3][:3].strip() if len(lines) > 3 else ""
    return int(counts) if counts.isdigit() else 0


def _read_smiles(text: str, sanitize: bool) -> Chem.Mol | None:
    parameters = Chem.SmilesParserParams()
    parameters.sanitize = sanitize
    parameters.parseName = False
    parameters.allowCXSMILES = False
    return Chem.MolFromSmiles(text, parameters)


def _read_inchi(text: str, sanitize: bool) -> Chem.Mol | None:
    mol = Chem.MolFromInchi(text, sanitize=sanitize, removeHs=sanitize)
    if mol is not None and sanitize and not _has_formula_of(mol, text):
        raise UnusableStructure(
            "damaged_inchi",
            "The InChI is cut off or changed: its layers do not give the formula that it states.",
            "Copy the whole InChI again; spreadsheets cut long cells.",
        )
    return mol


def _has_formula_of(mol: Chem.Mol, inchi: str) -> bool:
    """Whether a molecule has the atoms of the formula layer, with the protons that the layer /p moves."""
    expected: Counter[str] = Counter()
    for part in inchi.split("/")[1].split("."):
        multiplier, formula = re.match(r"(\d*)(.*)", part, re.DOTALL).groups()  # type: ignore[union-attr]
        try:
            counts = parse_formula(formula)
        except ValueError:
            return True
        for symbol, count in counts.items():
            expected[symbol] += count * int(multiplier or 1)
    moved = _INCHI_PROTONS.search(inchi)
    expected["H"] += int(moved[1]) if moved else 0
    found = Counter(parse_formula(CalcMolFormula(mol)))
    return +found == +expected


def _read_molfile(text: str, sanitize: bool) -> Chem.Mol | None:
    # Not strict: real files have short counts lines and extra columns that do not affect the structure.
    return Chem.MolFromMolBlock(text, sanitize=sanitize, removeHs=sanitize, strictParsing=False)


def _why_unparsable(text: str, kind: str) -> UnusableStructure:
    """Distinguish text that cannot be parsed from impossible chemistry, which RDKit describes."""
    quoted = "" if kind == "molfile" else f" {text[:_MAX_QUOTED]!r}{'…' if len(text) > _MAX_QUOTED else ''}"
    mol = _READERS[kind](text, False)
    problems = list(Chem.DetectChemistryProblems(mol)) if mol is not None else []
    if problems:
        return UnusableStructure(
            "impossible_chemistry",
            f"The structure{quoted} is not possible: {_numbered_from_one(problems[0].Message())}.",
            "Correct the valences, charges or aromatic rings in the drawing.",
        )
    name = {"smiles": "SMILES", "inchi": "InChI", "molfile": "molfile record"}[kind]
    return UnusableStructure(
        "unparsable", f"The {name}{quoted} cannot be read.", "Check its spelling, or export it again."
    )


def _numbered_from_one(message: str) -> str:
    """RDKit's message with atoms numbered from 1, as in molfiles."""
    return re.sub(r"# (\d+)", lambda match: str(int(match.group(1)) + 1), message).rstrip(". ")


_READERS = {"smiles": _read_smiles, "inchi": _read_inchi, "molfile": _read_molfile}
_ESTIMATES = {"smiles": _smiles_atoms, "inchi": _inchi_atoms, "molfile": _molfile_atoms}
