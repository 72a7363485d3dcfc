"""The numbers that describe one candidate formula beside the others of its spectrum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models_ml.formulas.elements import FIELD_MASKS, OXYGEN, Bits, Counts, Floats, is_odd_electron, pack
from models_ml.formulas.peak_evidence import PeakEvidence
from models_ml.formulas.vocabulary import Vocabulary

# Terms of Plausibility, squared mass error in tolerances, and two properties of the formula.
BLIND_FEATURES = ("rare", "organic", "monovalent", "mass_error", "odd_electron", "n_rare_elements")
PEAK_FEATURES = (
    "explained_intensity",  # share of the summed square root intensity of the peaks
    "n_explained",
    "explained_share",  # of the number of peaks
    "fragments",  # summed log odds
    "losses",
    "mean_fragment",  # per peak
    "mean_loss",
    "intense_fragments",  # weighted by square root intensity
    "intense_losses",
    "fragment_errors",  # summed squares
    "mean_fragment_error",
    "chance",  # summed logarithms of the number of explanations of each peak
    "n_parts",  # logarithm of the number of parts of the formula
    "parts_of_peaks",  # the same times the number of peaks: a rich formula explains many by chance
)
FEATURES = (*BLIND_FEATURES, *PEAK_FEATURES)


def blind_features(counts: Counts, terms: Floats, mass_error: Floats) -> Floats:
    """(n, len(BLIND_FEATURES)). `terms` of Plausibility; `mass_error` in precursor tolerances, (n,)."""
    n_rare = (counts[:, OXYGEN + 1 :] > 0).sum(1)
    odd = is_odd_electron(pack(counts))
    return np.column_stack([terms, mass_error**2, odd, n_rare])


def peak_features(evidence: PeakEvidence, weight: Floats, ions: Bits, vocabulary: Vocabulary) -> Floats:
    """(n, len(PEAK_FEATURES)). `weight`: square root intensities (P,) of the peaks of the evidence."""
    n_peaks, n = evidence.explained.shape
    explained = evidence.explained.astype(float)
    total = max(weight.sum(), 1e-12)
    fragments = _evidence(
        evidence.fragment, evidence.explained, vocabulary.fragments.unexplained, vocabulary, 0
    )
    losses = _evidence(evidence.loss, evidence.explained, vocabulary.losses.unexplained, vocabulary, 1)
    squares = np.where(evidence.explained, evidence.error**2, 0.0)
    n_explained = explained.sum(0)
    peaks = max(n_peaks, 1)
    n_parts = _log_parts(ions)
    relative = weight / max(weight.max(initial=0.0), 1e-12)
    return np.column_stack(
        [
            weight @ explained / total if n_peaks else np.zeros(n),
            n_explained,
            n_explained / peaks,
            fragments.sum(0),
            losses.sum(0),
            fragments.sum(0) / peaks,
            losses.sum(0) / peaks,
            relative @ fragments if n_peaks else np.zeros(n),
            relative @ losses if n_peaks else np.zeros(n),
            squares.sum(0),
            squares.sum(0) / np.maximum(n_explained, 1),
            np.log(np.maximum(evidence.n_ways, 1)).sum(0),
            n_parts,
            n_parts * n_peaks,
        ]
    )


def _evidence(
    bits: Bits, explained: NDArray[np.bool_], unexplained: float, vocabulary: Vocabulary, which: int
) -> Floats:
    table = (vocabulary.fragments, vocabulary.losses)[which]
    evidence: Floats = np.where(explained, table.log_odds(bits), unexplained)
    return evidence


def _log_parts(bits: Bits) -> Floats:
    """Natural logarithm of the number of parts of each formula, without regard to H and valences."""
    total = np.zeros(bits.shape)
    for index, mask in enumerate(FIELD_MASKS):
        if index != 1:  # H follows from the others to within a few
            lowest = mask & (~mask + np.uint64(1))
            total += np.log1p(((bits & mask) // lowest).astype(float))
    return total
