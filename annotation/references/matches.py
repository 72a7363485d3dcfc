"""Reference spectra of a spectrum's own precursor, most alike first: what a curator calls a library match."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotation.references.models import ReferenceSpectrum
from models_ml.evidence.analogs import binned
from models_ml.spectra.features import SpectrumFeatures, spectrum_features
from models_ml.spectra.spectrum import Spectrum

SHOWN = 5
# More spectra than this of one precursor are many measurements of few compounds.
COMPARED = 500


@dataclass(frozen=True)
class Match:
    reference: ReferenceSpectrum
    similarity: float  # cosine of the binned spectra, 0 to 1


def nearest(version_id: int, spectrum: Spectrum, adduct: str, tolerance_ppm: float) -> list[Match]:
    """At most SHOWN references within the tolerance of the precursor; none at similarity 0. One query."""
    if spectrum.precursor_mz is None:
        return []
    half_width = spectrum.precursor_mz * tolerance_ppm * 1e-6
    window = (spectrum.precursor_mz - half_width, spectrum.precursor_mz + half_width)
    found = ReferenceSpectrum.objects.filter(version_id=version_id, precursor_mz__range=window)
    asked = spectrum_features(spectrum, adduct)
    matches = [
        Match(row, _cosine(asked, spectrum_features(row.to_exchange(), row.adduct)))
        for row in found.select_related("molecule").defer("molecule__fingerprint").order_by("pk")[:COMPARED]
    ]
    alike = [match for match in matches if match.similarity > 0]
    return sorted(alike, key=lambda match: (-match.similarity, match.reference.position))[:SHOWN]


def _cosine(first: SpectrumFeatures, second: SpectrumFeatures) -> float:
    bins, weights = binned(first)
    others, other_weights = binned(second)
    _, here, there = np.intersect1d(bins, others, assume_unique=True, return_indices=True)
    return float(weights[here] @ other_weights[there])
