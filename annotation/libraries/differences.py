"""What differs between two versions of a library. Each function makes one set-based query."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.db.models import Exists, F, OuterRef, Subquery

from annotation.libraries.models import LibraryEntry, LibraryVersion, Molecule

ROWS_PER_PAGE = 50

_COUNTS = """
SELECT count(*) FILTER (WHERE old.molecule_id IS NULL),
       count(*) FILTER (WHERE new.molecule_id IS NULL),
       count(*) FILTER (WHERE old.name <> new.name)
FROM (SELECT molecule_id, name FROM annotation_libraryentry WHERE version_id = %s) old
FULL JOIN (SELECT molecule_id, name FROM annotation_libraryentry WHERE version_id = %s) new
USING (molecule_id)
"""


@dataclass(frozen=True, slots=True)
class DifferenceCounts:
    """Molecules by what happened to them from the old version to the new one."""

    n_added: int
    n_removed: int
    n_renamed: int = 0  # the same molecule under another name; collections of spectra have no names


@dataclass(frozen=True, slots=True)
class ChangedMolecule:
    molecule: Molecule
    name: str  # in the version that has it; of a renamed one, the new name
    old_name: str = ""


@dataclass(frozen=True, slots=True)
class ChangedPage:
    """One page, in the order of the molecules' ids. `following` is the last id, or None on the last page."""

    rows: list[ChangedMolecule]
    following: int | None


def count_differences(old: LibraryVersion, new: LibraryVersion) -> DifferenceCounts:
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [old.pk, new.pk])
        return DifferenceCounts(*cursor.fetchone())


def list_only_in(version: LibraryVersion, other: LibraryVersion, after: int) -> ChangedPage:
    """Molecules that `version` has and `other` does not, behind the molecule with the id `after`."""
    in_other = LibraryEntry.objects.filter(version=other, molecule=OuterRef("molecule"))
    entries = LibraryEntry.objects.filter(~Exists(in_other), version=version, molecule__gt=after)
    found = list(
        entries.select_related("molecule")
        .defer("molecule__fingerprint")
        .order_by("molecule_id")[: ROWS_PER_PAGE + 1]
    )
    return page_of([ChangedMolecule(entry.molecule, entry.name or entry.source_id) for entry in found])


def list_renamed(old: LibraryVersion, new: LibraryVersion, after: int) -> ChangedPage:
    """Molecules that both versions have under different names."""
    in_old = LibraryEntry.objects.filter(version=old, molecule=OuterRef("molecule"))
    entries = LibraryEntry.objects.filter(version=new, molecule__gt=after).annotate(
        old_name=Subquery(in_old.values("name")[:1])
    )
    found = list(
        entries.filter(old_name__isnull=False)
        .exclude(old_name=F("name"))
        .select_related("molecule")
        .defer("molecule__fingerprint")
        .order_by("molecule_id")[: ROWS_PER_PAGE + 1]
    )
    return page_of([ChangedMolecule(entry.molecule, entry.name, entry.old_name) for entry in found])


def page_of(rows: list[ChangedMolecule]) -> ChangedPage:
    """The page of rows of which one more was read than a page holds."""
    shown = rows[:ROWS_PER_PAGE]
    return ChangedPage(shown, shown[-1].molecule.pk if len(rows) > ROWS_PER_PAGE else None)
