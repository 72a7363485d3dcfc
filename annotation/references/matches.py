"""Reference spectra with the precursor of a spectrum, most similar first: library matches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotation.references.models import ReferenceSpectrum
from models_ml.evidence.analogs import binned
from models_ml.spectra.features import SpectrumFeatures, spectrum_features
from models_ml.spectra.spectrum import Spectrum

MAX_MATCHES = 5
# More spectra than this with one precursor are many measurements of few compounds.
MAX_COMPARED = 500


@dataclass(frozen=True)
class Match:
    reference: ReferenceSpectrum
    similarity: float  # cosine of the binned spectra, 0 to 1


def nearest(version_id: int, spectrum: Spectrum, adduct: str, tolerance_ppm: float) -> list[Match]:
    """At most MAX_MATCHES references within the tolerance, none with similarity 0. One query."""
    if spectrum.precursor_mz is None:
        return []
    half_width = spectrum.precursor_mz * tolerance_ppm * 1e-6
    window = (spectrum.precursor_mz - half_width, spectrum.precursor_mz + half_width)
    found = ReferenceSpectrum.objects.filter(version_id=version_id, precursor_mz__range=window)
    features = spectrum_features(spectrum, adduct)
    rows = found.select_related("molecule").defer("molecule__fingerprint").order_by("pk")[:MAX_COMPARED]
    matches = [Match(row, cosine(features, spectrum_features(row.to_exchange(), row.adduct))) for row in rows]
    similar = [match for match in matches if match.similarity > 0]
    return sorted(similar, key=lambda match: (-match.similarity, match.reference.position))[:MAX_MATCHES]


def similarity_of(spectrum: Spectrum, adduct: str, reference: ReferenceSpectrum) -> float:
    """Cosine of the binned spectra, 0 to 1, as in `nearest`. The spectrum needs a precursor. No query."""
    features = spectrum_features(spectrum, adduct)
    return cosine(features, spectrum_features(reference.to_exchange(), reference.adduct))


def neighbours(version_id: int, spectrum: Spectrum, adduct: str, at_most: int) -> list[Match]:
    """References of any mass in the same ion mode, most similar first, none with similarity 0. Two queries.

    Only the `at_most` references that are nearest in precursor m/z are compared.
    """
    if spectrum.precursor_mz is None:
        return []
    rows = ReferenceSpectrum.objects.filter(version_id=version_id, adduct__endswith=adduct[-1:])
    rows = rows.select_related("molecule").defer("molecule__fingerprint")
    # Two ranges of the index on version and precursor.
    above = rows.filter(precursor_mz__gte=spectrum.precursor_mz).order_by("precursor_mz")
    below = rows.filter(precursor_mz__lt=spectrum.precursor_mz).order_by("-precursor_mz")
    features = spectrum_features(spectrum, adduct)
    matches = [
        Match(row, cosine(features, spectrum_features(row.to_exchange(), row.adduct)))
        for row in [*above[: at_most // 2], *below[: at_most // 2]]
    ]
    similar = [match for match in matches if match.similarity > 0]
    return sorted(similar, key=lambda match: (-match.similarity, match.reference.position))


def cosine(first: SpectrumFeatures, second: SpectrumFeatures) -> float:
    """Of the binned peaks and neutral losses, 0 to 1."""
    first_bins, first_weights = binned(first)
    second_bins, second_weights = binned(second)
    _, in_first, in_second = np.intersect1d(first_bins, second_bins, assume_unique=True, return_indices=True)
    return float(first_weights[in_first] @ second_weights[in_second])
