"""The reference spectra that resemble an annotated spectrum: library matches, in the words of curators."""

from __future__ import annotations

from annotation.jobs.parameters import from_json
from annotation.references.matches import Match, nearest
from annotation.results.models import Annotation
from annotation.spectra.records import to_exchange


def matches_of(annotation: Annotation) -> list[Match]:
    """The most similar spectra of the job's reference collection; none if it uses none. One query."""
    version_id = annotation.job.reference_version_id
    if version_id is None:
        return []
    tolerance_ppm = from_json(annotation.job.params).precursor_tolerance_ppm
    return nearest(version_id, to_exchange(annotation.spectrum), annotation.adduct, tolerance_ppm)
