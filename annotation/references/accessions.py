"""Find a reference spectrum by its accession or USI, among those that this installation holds."""

from __future__ import annotations

from django.core.files.base import ContentFile

from annotation.references.models import ReferenceSpectrum, ReferenceVersionQuerySet
from annotation.spectra import pasted


def accession_of(text: str) -> str:
    """The accession in "mzspec:MASSBANK::accession:MSBNK-A-1", or the text itself."""
    text = text.strip()
    if not text.lower().startswith("mzspec:"):
        return text
    return text.split(":accession:", 1)[-1].split(":", 1)[0] if ":accession:" in text else text


def find_reference(versions: ReferenceVersionQuerySet, text: str) -> ReferenceSpectrum | None:
    """The spectrum with this accession as its title, in the newest of the versions. One query."""
    rows = ReferenceSpectrum.objects.filter(version__in=versions, title=accession_of(text))
    return rows.order_by("-version_id", "position").first()


def as_file(row: ReferenceSpectrum) -> ContentFile[bytes]:
    """The measurement without the structure that is known of it."""
    spectrum = row.to_exchange()
    fields = {
        "title": row.title,
        "external_id": row.title,
        "precursor_mz": row.precursor_mz,
        "adduct": row.adduct,
        "ion_mode": row.ion_mode,
        "collision_energy": row.collision_energy,
        "instrument": row.instrument,
        "instrument_type": row.instrument_type,
        "license": row.license,
    }
    peaks = list(zip(spectrum.mz.tolist(), spectrum.intensity.tolist(), strict=True))
    return pasted.as_file(peaks, fields, f"{row.title}.json")
