"""Patterns of molecules, which make substructure searches quick.

Workers store those of each new rank 1 at once, and those of all others when they have no other work.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from annotation.libraries.models import Molecule, MoleculePattern
from models_ml.molecules.substructure import pattern_bits, structure_of, to_binary


def store_patterns(molecule_ids: Collection[int]) -> int:
    """Store the patterns of these molecules that have none, and return their number. Two queries, or one.

    About one millisecond for each new molecule.
    """
    missing = Molecule.objects.filter(pk__in=molecule_ids, pattern=None).values_list("pk", "smiles")
    return _store(list(missing))


def store_missing(after: int, limit: int) -> int | None:
    """Store the patterns of up to `limit` molecules whose ID is above `after`.

    Returns the last ID, with which to call again; None if no molecule is left. Two queries, or one.
    """
    missing = Molecule.objects.filter(pk__gt=after, pattern=None).order_by("pk").values_list("pk", "smiles")
    rows = list(missing[:limit])
    _store(rows)
    return rows[-1][0] if rows else None


def _store(missing: Sequence[tuple[int, str]]) -> int:
    rows = [_pattern(pk, smiles) for pk, smiles in missing]
    if rows:
        # Another worker may store the same molecule now.
        MoleculePattern.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def _pattern(pk: int, smiles: str) -> MoleculePattern:
    mol = structure_of(smiles)
    return MoleculePattern(molecule_id=pk, bits=pattern_bits(mol), structure=to_binary(mol))
