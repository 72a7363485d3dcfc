"""What a library calls its molecules: its own claim, never part of a molecule's identity."""

from __future__ import annotations

from collections.abc import Collection

from annotation.libraries.models import LibraryEntry


def compound_names(version_id: int, molecule_ids: Collection[int]) -> dict[int, str]:
    """The names in one library version; molecules without one are left out. One query."""
    entries = LibraryEntry.objects.filter(version_id=version_id, molecule_id__in=set(molecule_ids))
    return dict(entries.exclude(name="").values_list("molecule_id", "name"))
