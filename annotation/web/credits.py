"""Who measured a spectrum, as its file states it: accession, authors, licence, copyright, publication."""

from __future__ import annotations

from dataclasses import dataclass

from annotation.spectra.models import Spectrum
from models_ml.spectra.formats.field_names import index_fields


@dataclass(frozen=True, slots=True)
class Credits:
    """Texts of the record; empty where it states nothing."""

    accession: str
    authors: str
    license: str
    copyright: str
    publication: str


def credits_of(spectrum: Spectrum) -> Credits | None:
    """None for a spectrum whose file names no authors, such as a person's own. No query."""
    fields = index_fields(spectrum.metadata)
    authors = fields.get("authors") or fields.get("author", "")
    if not authors:
        return None
    return Credits(
        accession=fields.get("accession") or spectrum.title,
        authors=authors,
        license=spectrum.license,
        copyright=fields.get("copyright", ""),
        publication=fields.get("publication", ""),
    )
