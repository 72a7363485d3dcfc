"""Results of reading a structure file: rows and issues. Also the limits of a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from models_ml.molecules.standardise import StandardMolecule
from models_ml.molecules.structure_text import StructureLimits

StructureFormat = Literal["smiles", "inchi", "molfile"]


@dataclass(frozen=True, slots=True)
class ImportNote:
    """What was changed or assumed when a row was read. Unlike an issue, it rejects nothing."""

    code: str
    text: str  # one sentence, the same for all rows with the code, so that reports can count it


@dataclass(frozen=True, slots=True)
class StructureRow:
    """One structure as written in the file, not yet parsed."""

    row_number: (
        int  # number of the data row or record, from 1; headings, blank lines and comments do not count
    )
    position: str  # "line 12", "record 3 (line 120)"
    structure: str
    format: StructureFormat
    source_id: str = ""  # identifier in the file
    name: str = ""
    second_structure: str = ""  # the InChI, or the other SMILES, of a row that has two structures
    stated_key: str = ""  # InChIKey in the row
    stated_formula: str = ""
    stated_mass: str = ""  # exact mass in the row
    notes: tuple[ImportNote, ...] = ()


@dataclass(frozen=True, slots=True)
class StandardRow:
    """One structure of a file, in the standard form."""

    row_number: int
    position: str
    molecule: StandardMolecule
    source_id: str = ""
    name: str = ""
    notes: tuple[ImportNote, ...] = ()


@dataclass(frozen=True, slots=True)
class StructureIssue:
    """A row that is not used: where it is, what is wrong, how to fix it. Other rows are not affected."""

    row_number: int
    position: str
    code: str
    reason: str
    remedy: str
    source_id: str = ""
    notes: tuple[ImportNote, ...] = ()  # about the whole file, on its first row


@dataclass(frozen=True, slots=True)
class StructureFileLimits:
    """Maximum sizes of a structure file and its parts."""

    max_decompressed_bytes: int = 4 * 1024**3
    max_line_length: int = 1_000_000  # bytes
    max_record_length: int = 1_000_000  # characters of one SDF record with its properties
    structure: StructureLimits = field(default_factory=StructureLimits)


DEFAULT_FILE_LIMITS = StructureFileLimits()
