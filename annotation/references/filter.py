"""Which reference spectra of a version a list shows, and its pages."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from annotation.references.models import ReferenceSpectrum, ReferenceVersion
from models_ml.molecules.formula import stored_formulas

ROWS_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class SpectrumFilter:
    """Empty values select everything."""

    name: str = ""  # part of the title, or a whole accession
    formula: str = ""
    inchikey: str = ""  # the whole key or its first block
    precursor_mz: float | None = None
    tolerance_ppm: float = 10.0

    def matching(self, version: ReferenceVersion) -> QuerySet[ReferenceSpectrum]:
        rows = ReferenceSpectrum.objects.filter(version=version)
        if self.name:
            rows = rows.filter(title__icontains=self.name)
        if self.formula:
            rows = rows.filter(molecule__formula__in=stored_formulas(self.formula))
        if self.inchikey:
            rows = rows.filter(molecule__inchikey_first_block=self.inchikey[:14].upper())
        if self.precursor_mz is not None:
            half = self.precursor_mz * self.tolerance_ppm / 1e6
            rows = rows.filter(precursor_mz__range=(self.precursor_mz - half, self.precursor_mz + half))
        return rows


@dataclass(frozen=True, slots=True)
class SpectrumPage:
    """Spectra in the order of the file. `following` is the last position, or None on the last page."""

    rows: list[ReferenceSpectrum]
    total: int
    following: int | None


def load_page(version: ReferenceVersion, chosen: SpectrumFilter, after: int) -> SpectrumPage:
    """The matching spectra behind the position `after`, with their molecules, without peaks. Two queries."""
    matching = chosen.matching(version)
    rows = list(
        matching.filter(position__gt=after)
        .select_related("molecule")
        .defer("mz_bytes", "intensity_bytes", "molecule__fingerprint")
        .order_by("position")[: ROWS_PER_PAGE + 1]
    )
    shown = rows[:ROWS_PER_PAGE]
    following = shown[-1].position if len(rows) > ROWS_PER_PAGE else None
    return SpectrumPage(shown, matching.count(), following)
