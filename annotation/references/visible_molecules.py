"""Which molecules a reader may see: those of a library or reference collection that its projects may use."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from annotation.accounts.visibility import Projects
from annotation.libraries.models import LibraryEntry, LibraryVersion, Molecule
from annotation.references.models import ReferenceSpectrum, ReferenceVersion


def visible_molecules(projects: Projects) -> QuerySet[Molecule]:
    """Each once, without its fingerprint."""
    entries = LibraryEntry.objects.filter(
        molecule=OuterRef("pk"), version__in=LibraryVersion.objects.usable_in(projects)
    )
    references = ReferenceSpectrum.objects.filter(
        molecule=OuterRef("pk"), version__in=ReferenceVersion.objects.usable_in(projects)
    )
    return Molecule.objects.filter(Exists(entries) | Exists(references)).defer("fingerprint")
