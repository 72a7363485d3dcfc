"""Readers of structure files, row by row: SMILES, tables and SDF, plain or gzipped, detected by content."""

from models_ml.molecules.readers.read import read_structures
from models_ml.molecules.readers.rows import (
    ImportNote,
    StandardRow,
    StructureFileLimits,
    StructureIssue,
    StructureRow,
)
from models_ml.molecules.readers.standardised import standardised_rows

__all__ = [
    "ImportNote",
    "StandardRow",
    "StructureFileLimits",
    "StructureIssue",
    "StructureRow",
    "read_structures",
    "standardised_rows",
]
