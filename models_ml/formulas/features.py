"""The numbers that describe one candidate formula beside the others of its spectrum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models_ml.formulas.elements import (
    FIELD_MASKS,
    OXYGEN,
    Bits,
    Counts,
    Floats,
    is_odd_electron,
    is_part,
    pack,
)
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
    "adapted_errors",  # summed log likelihood ratio of the errors, with the spread of this spectrum
    "linked",  # summed log odds of each fragment's most usual loss from a heavier fragment
    "mean_linked",
)
FEATURES = (*BLIND_FEATURES, *PEAK_FEATURES)
MAX_LINKED_PEAKS = 14  # strongest peaks: the work grows with the square
_ROUGH_WEIGHT = 0.3  # of the log odds of the peaks, before the weights are applied
_USUAL_SPREAD_PPM = 4.0  # of a spectrum with few peaks; counts like _ERROR_PSEUDO_PEAKS peaks
_ERROR_PSEUDO_PEAKS = 2.0
_LEAST_RATIO = -3.0  # of one peak: a single odd error must not outweigh everything else


def blind_features(counts: Counts, terms: Floats, mass_error: Floats) -> Floats:
    """(n, len(BLIND_FEATURES)). `terms` of Plausibility; `mass_error` in precursor tolerances, (n,)."""
    n_rare = (counts[:, OXYGEN + 1 :] > 0).sum(1)
    odd = is_odd_electron(pack(counts))
    return np.column_stack([terms, mass_error**2, odd, n_rare])


def peak_features(
    evidence: PeakEvidence, weight: Floats, ions: Bits, blind_scores: Floats, vocabulary: Vocabulary
) -> Floats:
    """(n, len(PEAK_FEATURES)). `weight`: square root intensities (P,) of the peaks of the evidence.

    `blind_scores` (n,): what is known without the peaks.
    """
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
    rough = blind_scores + _ROUGH_WEIGHT * (fragments + losses).sum(0)
    linked, n_linked = _linked(evidence, weight, vocabulary)
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
            _adapted_errors(evidence, rough),
            linked,
            linked / max(n_linked, 1),
        ]
    )


def _adapted_errors(evidence: PeakEvidence, rough: Floats) -> Floats:
    """(n,): how much better the errors fit this spectrum's own offset and spread than an even distribution.

    Offset and spread come from all formulas, weighted by `rough` scores (n,): instruments differ in both, and
    the tolerance must hold for the worst.
    """
    if not rough.size or not evidence.index.size:
        return np.zeros(len(rough))
    plausible = np.exp(rough - rough.max())
    share = evidence.explained * (plausible / plausible.sum())
    ppm = evidence.error * evidence.tolerance_ppm[:, None]
    mass = share.sum()
    offset = (share * ppm).sum() / (mass + _ERROR_PSEUDO_PEAKS)
    squares = (share * (ppm - offset) ** 2).sum() + _ERROR_PSEUDO_PEAKS * _USUAL_SPREAD_PPM**2
    spread = np.sqrt(squares / (mass + _ERROR_PSEUDO_PEAKS))
    even = np.log(2 * evidence.tolerance_ppm / (spread * np.sqrt(2 * np.pi)))
    ratio = np.maximum(even[:, None] - 0.5 * ((ppm - offset) / spread) ** 2, _LEAST_RATIO)
    adapted: Floats = np.where(evidence.explained, ratio, 0.0).sum(0)
    return adapted


def _linked(evidence: PeakEvidence, weight: Floats, vocabulary: Vocabulary) -> tuple[Floats, int]:
    """Summed log odds (n,) of the most usual loss by which each fragment arises, and the number of peaks.

    A fragment arises from the precursor, or from a heavier fragment that contains it.
    """
    strongest = np.sort(np.argsort(-weight, kind="stable")[:MAX_LINKED_PEAKS])
    fragment, explained = evidence.fragment[strongest], evidence.explained[strongest]
    best = np.where(
        explained, vocabulary.losses.log_odds(evidence.loss[strongest]), vocabulary.losses.unexplained
    )
    for light in range(len(strongest) - 1):
        heavier = fragment[light + 1 :]
        is_parent = explained[light + 1 :] & explained[light] & is_part(fragment[light], heavier)
        losses = np.where(is_parent, heavier - fragment[light], np.uint64(0))
        usual = np.where(is_parent, vocabulary.losses.log_odds(losses), -np.inf)
        best[light] = np.maximum(best[light], usual.max(0))
    return best.sum(0), len(strongest)


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
