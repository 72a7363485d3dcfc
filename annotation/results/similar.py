"""Features and reference spectra whose spectra resemble that of an annotated feature, of any mass."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import F
from django.db.models.functions import Abs

from annotation.jobs.models import Job
from annotation.references.matches import Match, cosine, neighbours
from annotation.results.models import Annotation
from annotation.spectra.records import to_exchange
from models_ml.spectra.features import SpectrumFeatures, spectrum_features

# Spectra that are compared: the nearest in precursor m/z. Each costs about half a millisecond.
MAX_COMPARED = 300
MAX_FEATURES = 8
MAX_REFERENCES = 6
# Weaker similarities are mostly single shared peaks.
MIN_SIMILARITY = 0.2


@dataclass(frozen=True, slots=True)
class SimilarFeature:
    annotation: Annotation  # with spectrum, item, job and rank 1
    similarity: float  # cosine of the binned peaks and neutral losses, 0 to 1
    features: SpectrumFeatures  # of its representative


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What resembles one feature, most similar first."""

    features: list[SimilarFeature]
    references: list[Match]  # one for each molecule
    own: SpectrumFeatures | None  # None: a spectrum without a precursor cannot be compared


def load_neighbourhood(annotation: Annotation) -> Neighbourhood:
    """At most MAX_FEATURES features of the project and MAX_REFERENCES references. At most three queries.

    Representatives are compared, within the ion mode. A feature that several jobs annotated is listed once,
    with its newest annotation.
    """
    if annotation.spectrum.precursor_mz is None:
        return Neighbourhood([], [], None)
    spectrum = to_exchange(annotation.spectrum)
    own = spectrum_features(spectrum, annotation.adduct)
    similar = [
        SimilarFeature(row, value, features)
        for row in _nearest(annotation)
        if (value := cosine(own, features := spectrum_features(to_exchange(row.spectrum), row.adduct)))
        >= MIN_SIMILARITY
    ]
    similar.sort(key=lambda row: (-row.similarity, row.annotation.pk))
    return Neighbourhood(similar[:MAX_FEATURES], _references(annotation), own)


def _nearest(annotation: Annotation) -> list[Annotation]:
    """The newest annotation of each feature, nearest in precursor m/z first. One query."""
    jobs = Job.objects.filter(project_id=annotation.job.project_id).values("pk")
    distance = Abs(F("spectrum__precursor_mz") - annotation.spectrum.precursor_mz)
    rows = (
        Annotation.objects.filter(
            job__in=jobs, adduct__endswith=annotation.adduct[-1:], spectrum__precursor_mz__isnull=False
        )
        .exclude(item__feature=annotation.item.feature_id)
        .select_related("spectrum", "item", "job", "top_molecule")
        .defer("top_molecule__fingerprint", "members")
        .order_by(distance, "-pk")[:MAX_COMPARED]
    )
    newest: dict[int, Annotation] = {}
    for row in rows:
        known = newest.get(row.item.feature_id)
        if known is None or known.pk < row.pk:
            newest[row.item.feature_id] = row
    return list(newest.values())


def _references(annotation: Annotation) -> list[Match]:
    """The best reference spectrum of each molecule. At most two queries, none without a collection."""
    version_id = annotation.job.reference_version_id
    if version_id is None:
        return []
    found = neighbours(version_id, to_exchange(annotation.spectrum), annotation.adduct, MAX_COMPARED)
    best: dict[int, Match] = {}
    for match in found:
        if match.similarity >= MIN_SIMILARITY:
            best.setdefault(match.reference.molecule_id, match)
    return list(best.values())[:MAX_REFERENCES]
