"""Reads and standardises a structure file in a child process with limited memory and time.

If a structure kills the child, its row becomes an issue, and a new child continues after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from rdkit import Chem

from models_ml.isolation import MIB, IsolationError, run_bounded
from models_ml.molecules.formula import hill_formula, parse_formula
from models_ml.molecules.readers.read import read_structures
from models_ml.molecules.readers.rows import (
    DEFAULT_FILE_LIMITS,
    ImportNote,
    StandardRow,
    StructureFileLimits,
    StructureIssue,
    StructureRow,
)
from models_ml.molecules.standardise import NOTE_TEXTS, StandardMolecule, standardise
from models_ml.molecules.structure_text import UnusableStructure, split_extension, text_format
from models_ml.spectra.formats.claimed_structure import smiles_masses
from models_ml.spectra.formats.stated_facts import mass_contradiction
from models_ml.unreadable import UnreadableFile

_MEMORY_BYTES = 1024 * MIB
_SECONDS_PER_ROW = 30.0  # a drug takes a millisecond; RDKit does not finish on some symmetric cages
_NAMES = {"smiles": "SMILES", "inchi": "InChI", "molfile": "molfile"}
_INCHIKEY = re.compile(r"[A-Z]{14}-[A-Z]{10}-[A-Z]")
_MAX_DEATHS = 50  # each costs the start of a new child, or the whole time of a row
_MAX_CONSECUTIVE_DEATHS = 5
# Codes of a structure that is written wrongly. Then the InChI beside it is used.
_MISSPELT = ("unparsable", "impossible_chemistry", "empty", "standardisation_failed", "damaged_inchi")
_SECOND_USED = {
    True: ImportNote("inchi_used", "The first structure cannot be read, so the InChI of the row was used."),
    False: ImportNote("second_used", "The first structure cannot be read, so the second SMILES was used."),
}
_FIRST_USED = {
    True: ImportNote("inchi_unreadable", "The InChI cannot be read, so only the first structure was used."),
    False: ImportNote("second_unreadable", "The second SMILES cannot be read, so only the first was used."),
}
_KEY_DIFFERS = ImportNote("inchikey_differs", "The InChIKey of the row is not that of its structure.")
_MASS_DIFFERS = ImportNote("exact_mass_differs", "The exact mass of the row is not that of its structure.")
_FORMULA_DIFFERS = ImportNote("formula_differs", "The formula of the row is not that of its structure.")


def standardised_rows(
    path: Path,
    *,
    limits: StructureFileLimits = DEFAULT_FILE_LIMITS,
    seconds_per_row: float = _SECONDS_PER_ROW,
) -> Iterator[StandardRow | StructureIssue]:
    """Each row of a structure file, standardised or as an issue, in order and one at a time.

    Raises UnreadableFile as `read_structures` does, and if too many rows kill the child process.
    """
    done = deaths = consecutive_deaths = 0
    while True:
        try:
            # The child sends rows one by one, so the row after the last received row killed it.
            for row in run_bounded(
                standardise_file,
                path,
                done,
                limits,
                memory_bytes=_MEMORY_BYTES,
                cpu_seconds=None,
                silence_seconds=seconds_per_row,
                batch_size=1,
            ):
                done, consecutive_deaths = row.row_number, 0
                yield row
            return
        except IsolationError as death:
            deaths, consecutive_deaths = deaths + 1, consecutive_deaths + 1
            if deaths > _MAX_DEATHS or consecutive_deaths > _MAX_CONSECUTIVE_DEATHS:
                raise UnreadableFile(
                    f"Too many structures stop the reading process; the last error: {str(death).rstrip('.')}",
                    f"{path.name}, row {done + 1:,}",
                    "Remove very large or unusual structures.",
                ) from death
            done += 1
            yield _fatal_issue(path, done, limits, death)


def standardise_file(
    path: Path, after_row: int, limits: StructureFileLimits
) -> Iterator[StandardRow | StructureIssue]:
    """Rows after `after_row`. Runs in the child: it runs RDKit on untrusted text in its own process."""
    for row in read_structures(path, limits=limits):
        if row.row_number > after_row:
            yield row if isinstance(row, StructureIssue) else _standard_row(row, limits)


def _standard_row(row: StructureRow, limits: StructureFileLimits) -> StandardRow | StructureIssue:
    """The row in the standard form. A row with a SMILES and an InChI must have one molecule.

    If only one of them can be read, it is used, with a note.
    """

    def issue(code: str, reason: str, remedy: str) -> StructureIssue:
        return StructureIssue(row.row_number, row.position, code, reason, remedy, row.source_id, row.notes)

    molecule = _standardised(row.structure, limits)
    notes, second = row.notes, row.second_structure
    if isinstance(molecule, UnusableStructure):
        if not second or molecule.code not in _MISSPELT:
            return issue(molecule.code, molecule.reason, molecule.remedy)
        first_refusal, molecule = molecule, _standardised(second, limits)
        if isinstance(molecule, UnusableStructure):
            return issue(
                first_refusal.code, f"{first_refusal.reason} {molecule.reason}", first_refusal.remedy
            )
        notes += (_SECOND_USED[text_format(second) == "inchi"],)
    elif second and not _is_inchi_of(second, molecule):
        other = _standardised(second, limits)
        if isinstance(other, UnusableStructure):
            notes += (_FIRST_USED[text_format(second) == "inchi"],)
        elif other.inchikey_first_block != molecule.inchikey_first_block:
            return issue(
                "contradiction",
                f"The {_NAMES[row.format]} is {molecule.formula} ({molecule.inchikey_first_block}), but the "
                f"{_NAMES[text_format(second)]} is {other.formula} ({other.inchikey_first_block}).",
                "Correct the one that is wrong, or empty its cell.",
            )
    notes += tuple(ImportNote(code, NOTE_TEXTS[code]) for code in molecule.notes)
    if row.stated_key and not _is_key_of(row.stated_key, molecule):
        notes += (_KEY_DIFFERS,)
    if row.stated_formula and not _is_formula_of(row.stated_formula, molecule):
        notes += (_FORMULA_DIFFERS,)
    if row.stated_mass and not _is_mass_of(row.stated_mass, molecule):
        notes += (_MASS_DIFFERS,)
    name = row.name or (split_extension(row.structure)[2] if row.format == "smiles" else "")
    return StandardRow(row.row_number, row.position, molecule, row.source_id, name, notes)


def _is_mass_of(text: str, molecule: StandardMolecule) -> bool:
    """Whether an exact mass is that of the standard form, or of a part or the whole of the drawing.

    Masses with protons for the charges count too. True for a text that is no number.
    """
    masses = (molecule.exact_mass, *smiles_masses(molecule.drawn_smiles))
    return mass_contradiction(text, masses, "structure") is None


def _standardised(text: str, limits: StructureFileLimits) -> StandardMolecule | UnusableStructure:
    try:
        return standardise(text, limits=limits.structure)
    except UnusableStructure as refusal:
        return refusal


def _is_inchi_of(inchi: str, molecule: StandardMolecule) -> bool:
    """Whether the hash of an InChI is the key of the molecule. Takes microseconds; nothing is parsed."""
    key = str(Chem.InchiToInchiKey(inchi)) if inchi.startswith("InChI=") else ""
    return key[:14] in (molecule.inchikey[:14], molecule.inchikey_first_block)


def _is_key_of(inchikey: str, molecule: StandardMolecule) -> bool:
    """Whether an InChIKey belongs to the standard form or to the whole drawing. True for other text."""
    if not _INCHIKEY.fullmatch(inchikey):
        return True
    if inchikey[:14] in (molecule.inchikey[:14], molecule.inchikey_first_block):
        return True
    drawn = Chem.MolFromSmiles(molecule.drawn_smiles)
    return drawn is None or str(Chem.MolToInchiKey(drawn))[:14] == inchikey[:14]


def _is_formula_of(formula: str, molecule: StandardMolecule) -> bool:
    """Whether a formula has the heavy atoms of the standard form or of the whole drawing.

    Hydrogens count too, except for those of charges. True for a text that is no formula of one part.
    """
    try:
        stated = parse_formula(formula.replace(" ", ""))
    except ValueError:
        return True
    drawn = Chem.MolFromSmiles(molecule.drawn_smiles)
    wholes = [molecule.formula] if drawn is None else [molecule.formula, hill_formula(drawn)]
    for whole in wholes:
        counts = parse_formula(whole)
        moved = _moved_hydrogens(stated, counts)
        if moved is not None and moved <= max(1, abs(Chem.GetFormalCharge(drawn)) if drawn else 1):
            return True
    return False


def _moved_hydrogens(first: dict[str, int], second: dict[str, int]) -> int | None:
    """Difference in hydrogens of formulas with the same heavy atoms, else None."""
    hydrogens = [sum(counts.get(symbol, 0) for symbol in ("H", "D", "T")) for counts in (first, second)]
    heavy = [
        {symbol: count for symbol, count in counts.items() if symbol not in ("H", "D", "T")}
        for counts in (first, second)
    ]
    return abs(hydrogens[0] - hydrogens[1]) if heavy[0] == heavy[1] else None


def _fatal_issue(
    path: Path, row_number: int, limits: StructureFileLimits, death: IsolationError
) -> StructureIssue:
    """The issue of a row that killed the child, with its position in the file if that can be read."""
    issue = StructureIssue(
        row_number,
        f"row {row_number:,}",
        f"stopped_{death.kind}",
        f"The structure could not be processed. {death}",
        "Remove the structure, or draw it in a simpler way.",
    )
    try:
        for row in run_bounded(_read_row, path, row_number, limits):
            return replace(issue, position=row.position, source_id=row.source_id)
    except (IsolationError, UnreadableFile):
        pass  # the row number is the only position then
    return issue


def _read_row(
    path: Path, row_number: int, limits: StructureFileLimits
) -> Iterator[StructureRow | StructureIssue]:
    return islice(read_structures(path, limits=limits), row_number - 1, row_number)
