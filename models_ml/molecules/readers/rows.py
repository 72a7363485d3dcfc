"""What reading a structure file gives: rows, issues with their place and remedy, and the limits held to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from models_ml.molecules.standardise import StandardMolecule
from models_ml.molecules.structure_text import StructureLimits

StructureFormat = Literal["smiles", "inchi", "molfile"]


@dataclass(frozen=True, slots=True)
class StructureRow:
    """One structure as it stands in the file, not yet parsed."""

    row_number: int  # counted over data rows or records, from 1; headers, blanks and comments are none
    position: str  # "line 12", "record 3 (line 120)"
    structure: str
    format: StructureFormat
    source_id: str = ""  # the file's own identifier
    name: str = ""


@dataclass(frozen=True, slots=True)
class StandardRow:
    """One structure of a file in the standard form."""

    row_number: int
    position: str
    molecule: StandardMolecule
    source_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class StructureIssue:
    """A row left out: where it stands, what is wrong, how to mend it. The other rows are not touched."""

    row_number: int
    position: str
    code: str
    reason: str
    remedy: str
    source_id: str = ""


@dataclass(frozen=True, slots=True)
class StructureFileLimits:
    """What a file of structures may measure."""

    max_decompressed_bytes: int = 4 * 1024**3
    max_line_length: int = 1_000_000  # characters
    max_record_length: int = 1_000_000  # characters of one SDF record with its properties
    structure: StructureLimits = field(default_factory=StructureLimits)


DEFAULT_FILE_LIMITS = StructureFileLimits()
