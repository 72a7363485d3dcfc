"""The names of molecules in a library. A name belongs to the library, not to the molecule."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from annotation.libraries.models import LibraryEntry
from annotation.results.models import Annotation


def compound_names(version_id: int, molecule_ids: Collection[int]) -> dict[int, str]:
    """The names in one library version, by molecule. Molecules without a name are left out. One query."""
    entries = LibraryEntry.objects.filter(version_id=version_id, molecule_id__in=set(molecule_ids))
    return dict(entries.exclude(name="").values_list("molecule_id", "name"))


def compound_labels(version_id: int, molecule_ids: Collection[int]) -> dict[int, str]:
    """What pages call the molecules: the name in the library version, else the identifier. One query."""
    entries = LibraryEntry.objects.filter(version_id=version_id, molecule_id__in=set(molecule_ids))
    rows = entries.values_list("molecule_id", "name", "source_id")
    return {pk: name or source_id for pk, name, source_id in rows if name or source_id}


def names_of_rank_1(annotations: Iterable[Annotation]) -> dict[int, str]:
    """What pages call each rank 1, in the library of its job, by annotation. One query if `job` is loaded."""
    keys = {
        annotation.pk: (annotation.job.library_version_id, annotation.top_molecule_id)
        for annotation in annotations
        if annotation.top_molecule_id is not None
    }
    entries = LibraryEntry.objects.filter(
        version_id__in={version_id for version_id, _ in keys.values()},
        molecule_id__in={molecule_id for _, molecule_id in keys.values()},
    )
    rows = entries.values_list("version_id", "molecule_id", "name", "source_id")
    names = {(version_id, pk): name or source_id for version_id, pk, name, source_id in rows}
    return {pk: names[key] for pk, key in keys.items() if key in names}
