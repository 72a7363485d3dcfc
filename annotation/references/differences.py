"""What differs between two versions of a reference collection. Each function makes one set-based query."""

from __future__ import annotations

from django.db import connection
from django.db.models import Exists, Max, OuterRef

from annotation.libraries.differences import (
    ROWS_PER_PAGE,
    ChangedMolecule,
    ChangedPage,
    DifferenceCounts,
    page_of,
)
from annotation.libraries.models import Molecule
from annotation.references.models import ReferenceSpectrum, ReferenceVersion

_COUNTS = """
SELECT count(*) FILTER (WHERE old.molecule_id IS NULL), count(*) FILTER (WHERE new.molecule_id IS NULL)
FROM (SELECT DISTINCT molecule_id FROM annotation_referencespectrum WHERE version_id = %s) old
FULL JOIN (SELECT DISTINCT molecule_id FROM annotation_referencespectrum WHERE version_id = %s) new
USING (molecule_id)
"""


def count_differences(old: ReferenceVersion, new: ReferenceVersion) -> DifferenceCounts:
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [old.pk, new.pk])
        return DifferenceCounts(*cursor.fetchone())


def list_only_in(version: ReferenceVersion, other: ReferenceVersion, after: int) -> ChangedPage:
    """Molecules of which `version` has spectra and `other` has none, behind the molecule with the id `after`.

    Two queries, whose number does not depend on the molecules.
    """
    in_other = ReferenceSpectrum.objects.filter(version=other, molecule=OuterRef("molecule"))
    spectra = ReferenceSpectrum.objects.filter(~Exists(in_other), version=version, molecule__gt=after)
    names = (
        spectra.order_by("molecule_id")
        .values("molecule_id")
        .annotate(title=Max("title"))
        .values_list("molecule_id", "title")
    )
    title_by_id = dict(names[: ROWS_PER_PAGE + 1])
    molecules = Molecule.objects.defer("fingerprint").in_bulk(title_by_id)
    return page_of([ChangedMolecule(molecules[pk], title) for pk, title in title_by_id.items()])
