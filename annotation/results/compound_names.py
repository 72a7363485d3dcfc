"""What a library calls its molecules: its own claim, never part of a molecule's identity."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from annotation.libraries.models import LibraryEntry
from annotation.results.models import Annotation


def compound_names(version_id: int, molecule_ids: Collection[int]) -> dict[int, str]:
    """The names in one library version; molecules without one are left out. One query."""
    entries = LibraryEntry.objects.filter(version_id=version_id, molecule_id__in=set(molecule_ids))
    return dict(entries.exclude(name="").values_list("molecule_id", "name"))


def names_of_rank_1(annotations: Iterable[Annotation]) -> dict[int, str]:
    """What each one's own library calls its rank 1, by annotation. One query; `job` is at hand."""
    wanted = {
        one.pk: (one.job.library_version_id, one.top_molecule_id)
        for one in annotations
        if one.top_molecule_id is not None
    }
    entries = LibraryEntry.objects.filter(
        version_id__in={version for version, _ in wanted.values()},
        molecule_id__in={molecule for _, molecule in wanted.values()},
    )
    named = {(v, m): name for v, m, name in entries.values_list("version_id", "molecule_id", "name")}
    return {pk: named[place] for pk, place in wanted.items() if place in named}
