"""The molecules of a file under check, in a temporary table, so that memory is bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import connection

_ADD = """
INSERT INTO checked_molecules SELECT DISTINCT unnest(%s::text[]) ON CONFLICT DO NOTHING
"""
_OF_VERSION = {
    "library": "SELECT molecule_id FROM annotation_libraryentry WHERE version_id = %s",
    "references": "SELECT DISTINCT molecule_id FROM annotation_referencespectrum WHERE version_id = %s",
}
_SHARED = """
SELECT count(*) FROM ({of_version}) held JOIN annotation_molecule molecule ON molecule.id = held.molecule_id
JOIN checked_molecules USING (inchikey_first_block)
"""


class CheckedMolecules:
    """A set of first blocks in the database session."""

    def add(self, first_blocks: Iterable[str]) -> int:
        """Add molecules and return how many of them are new. One statement."""
        with connection.cursor() as cursor:
            cursor.execute(_ADD, [list(first_blocks)])
            return int(cursor.rowcount)

    def count(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM checked_molecules")
            return int(cursor.fetchone()[0])

    def count_shared(self, kind: str, version_id: int) -> int:
        """How many of the molecules the version of a library or reference collection has. One query."""
        with connection.cursor() as cursor:
            cursor.execute(_SHARED.format(of_version=_OF_VERSION[kind]), [version_id])
            return int(cursor.fetchone()[0])


@contextmanager
def checked_molecules() -> Iterator[CheckedMolecules]:
    """An empty set, which ends with the block."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS checked_molecules")
        cursor.execute("CREATE TEMPORARY TABLE checked_molecules (inchikey_first_block text PRIMARY KEY)")
    try:
        yield CheckedMolecules()
    finally:
        if not connection.needs_rollback and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("DROP TABLE IF EXISTS checked_molecules")
