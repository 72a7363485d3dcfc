"""Store rows of a library file as molecules and entries, in chunks, by COPY and two INSERTs."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection, transaction

from annotation.plain_text import clean
from models_ml.molecules.readers import StandardRow

_COLUMNS = {
    "row_number": "int4",
    "inchikey_first_block": "text",
    "smiles": "text",
    "formula": "text",
    "exact_mass": "float8",
    "fingerprint": "bytea",
    "source_id": "text",
    "name": "text",
    "drawn_smiles": "text",
    "inchikey": "text",
}
_STAGE = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS library_rows ("
    + ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    + ") ON COMMIT DELETE ROWS"
)
# In order of the key, so that two imports with the same new molecules cannot deadlock.
_MOLECULES = """
INSERT INTO annotation_molecule (inchikey_first_block, smiles, formula, exact_mass, fingerprint)
SELECT DISTINCT ON (inchikey_first_block) inchikey_first_block, smiles, formula, exact_mass, fingerprint
FROM library_rows ORDER BY inchikey_first_block, row_number
ON CONFLICT (inchikey_first_block) DO NOTHING
"""
# The mass is that of the stored molecule, which the library that added it first standardised.
_ENTRIES = """
INSERT INTO annotation_libraryentry
    (version_id, molecule_id, exact_mass, row_number, source_id, name, drawn_smiles, inchikey)
SELECT DISTINCT ON (molecule.id) %s, molecule.id, molecule.exact_mass,
    staged.row_number, staged.source_id, staged.name, staged.drawn_smiles, staged.inchikey
FROM library_rows staged JOIN annotation_molecule molecule USING (inchikey_first_block)
ORDER BY molecule.id, staged.row_number
ON CONFLICT (version_id, molecule_id) DO NOTHING
"""


def add_rows(version_id: int, rows: Sequence[StandardRow]) -> int:
    """Store the rows and return the number of new entries. Other rows have the molecule of an earlier row."""
    with transaction.atomic():
        connection.ensure_connection()
        with connection.wrap_database_errors, connection.connection.cursor() as cursor:
            cursor.execute(_STAGE)
            with cursor.copy("COPY library_rows FROM STDIN (FORMAT binary)") as copy:
                copy.set_types(list(_COLUMNS.values()))
                for row in rows:
                    copy.write_row(_values(row))
            cursor.execute(_MOLECULES)
            cursor.execute(_ENTRIES, [version_id])
            return int(cursor.rowcount)


def _values(row: StandardRow) -> tuple[object, ...]:
    molecule = row.molecule
    return (
        row.row_number,
        molecule.inchikey_first_block,
        molecule.smiles,
        molecule.formula[:100],
        molecule.exact_mass,
        molecule.fingerprint,
        clean(row.source_id, 200),
        clean(row.name, 500),
        molecule.drawn_smiles,
        molecule.inchikey,
    )
