"""Reference spectra with the precursor of a spectrum, most similar first: library matches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import Q

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
    window = _window(spectrum, tolerance_ppm)
    if window is None:
        return []
    found = ReferenceSpectrum.objects.filter(version_id=version_id, precursor_mz__range=window)
    features = spectrum_features(spectrum, adduct)
    rows = found.select_related("molecule").defer("molecule__fingerprint").order_by("pk")[:MAX_COMPARED]
    matches = [
        Match(row, _cosine(features, spectrum_features(row.to_exchange(), row.adduct))) for row in rows
    ]
    similar = [match for match in matches if match.similarity > 0]
    return sorted(similar, key=lambda match: (-match.similarity, match.reference.position))[:MAX_MATCHES]


@dataclass(frozen=True)
class Question:
    """A spectrum whose rank 1 is compared with the references."""

    spectrum: Spectrum
    adduct: str
    rank_1: int | None  # id of the molecule


@dataclass(frozen=True)
class Comparison:
    """What the references say about a rank 1."""

    best_reference_id: int
    similarity: float  # of the best reference, 0 to 1
    disagreement: float  # best reference of another molecule minus best one of rank 1, -1 to 1


def compare_rank_1(
    version_id: int, questions: Sequence[Question], tolerance_ppm: float
) -> list[Comparison | None]:
    """For each spectrum the comparison; None where no reference has its precursor and a common peak.

    One query for all spectra. The most similar reference is the first match of `nearest`.
    """
    windows = [_window(question.spectrum, tolerance_ppm) for question in questions]
    condition = Q()
    for window in windows:
        condition |= Q(precursor_mz__range=window) if window else Q()
    if not condition:
        return [None] * len(questions)
    compared = [_Compared(question) for question in questions]
    rows = ReferenceSpectrum.objects.filter(condition, version_id=version_id).order_by("pk")
    for row in rows.iterator():
        features = spectrum_features(row.to_exchange(), row.adduct)
        for window, state in zip(windows, compared, strict=True):
            if window and window[0] <= row.precursor_mz <= window[1]:
                state.add(row, features)
    return [state.result() for state in compared]


class _Compared:
    """The best references of one spectrum so far."""

    def __init__(self, question: Question) -> None:
        self._rank_1 = question.rank_1
        self._features = spectrum_features(question.spectrum, question.adduct)
        self._best: tuple[float, int, int] | None = None  # similarity, minus the position, id
        self._of_rank_1 = self._of_others = 0.0
        self._n = 0

    def add(self, row: ReferenceSpectrum, features: SpectrumFeatures) -> None:
        self._n += 1
        if self._n > MAX_COMPARED:
            return
        similarity = _cosine(self._features, features)
        if similarity <= 0:
            return
        entry = (similarity, -row.position, row.pk)
        self._best = max(self._best or entry, entry)
        if row.molecule_id == self._rank_1:
            self._of_rank_1 = max(self._of_rank_1, similarity)
        else:
            self._of_others = max(self._of_others, similarity)

    def result(self) -> Comparison | None:
        if self._best is None:
            return None
        return Comparison(self._best[2], self._best[0], self._of_others - self._of_rank_1)


def _window(spectrum: Spectrum, tolerance_ppm: float) -> tuple[float, float] | None:
    if spectrum.precursor_mz is None:
        return None
    half_width = spectrum.precursor_mz * tolerance_ppm * 1e-6
    return spectrum.precursor_mz - half_width, spectrum.precursor_mz + half_width


def _cosine(first: SpectrumFeatures, second: SpectrumFeatures) -> float:
    first_bins, first_weights = binned(first)
    second_bins, second_weights = binned(second)
    _, in_first, in_second = np.intersect1d(first_bins, second_bins, assume_unique=True, return_indices=True)
    return float(first_weights[in_first] @ second_weights[in_second])
