"""Ranks the molecular formulas that a spectrum allows, with a probability for each. Needs no library."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models_ml.formulas.elements import MASSES, Counts, Floats, hill
from models_ml.formulas.enumeration import MAX_MASS_DA, enumerate_formulas
from models_ml.formulas.features import blind_features, peak_features
from models_ml.formulas.ions import IonFormulas, form_ions
from models_ml.formulas.isotopes import (
    IsotopePattern,
    measured_pattern,
    pattern_log_likelihood,
    pattern_similarity,
    theoretical_patterns,
)
from models_ml.formulas.model import FormulaModel, load_formula_model
from models_ml.formulas.peak_evidence import MAX_PEAKS, PeakEvidence, explain
from models_ml.outcomes import FormulaCandidate
from models_ml.spectra import adducts
from models_ml.spectra.preprocess import preprocess
from models_ml.spectra.spectrum import FloatArray, Spectrum

N_SHOWN = 10
# Formulas whose peaks are read: the most plausible ones by mass error and elements. Only precursors above
# about 500 Da have more within 10 ppm.
MAX_CLOSELY_READ = 1_000
PEAKS, PEAKS_AND_ISOTOPES, BLIND = "peaks", "peaks and isotopes", "blind"  # names of calibrations


@dataclass(frozen=True, slots=True)
class FormulaRanking:
    """The best candidates, and what was left out."""

    candidates: tuple[FormulaCandidate, ...]  # at most N_SHOWN, most probable first
    n_formulas: int  # that the mass allows
    n_peaks: int  # that were read
    probability_other: float  # that none of the n_formulas is right
    limit: str  # what limited the work, or ""


@dataclass(frozen=True, slots=True, eq=False)
class FormulaList:
    """Everything that the ranking computes for n formulas, in the order of the enumeration."""

    counts: Counts  # (n, E)
    mass_error_ppm: Floats  # (n,)
    blind: Floats  # (n, len(BLIND_FEATURES))
    features: Floats  # (n, len(FEATURES))
    evidence: PeakEvidence
    weight: Floats  # (P,) square root intensities of the peaks of the evidence
    ions: IonFormulas
    n_formulas: int  # before MAX_CLOSELY_READ

    def without_evidence(self) -> FormulaList:
        """For long runs: the evidence is most of the memory. The features stay."""
        return replace(self, evidence=_no_evidence(), weight=self.weight[:0])


def rank_formulas(
    mz: FloatArray,
    intensity: FloatArray,
    precursor_mz: float,
    adduct: str,
    tolerance_ppm: float = 10.0,
    survey: IsotopePattern | None = None,
    *,
    model: FormulaModel | None = None,
) -> FormulaRanking:
    """The formulas of the neutral molecule within `tolerance_ppm` of the precursor, most probable first.

    `mz`, `intensity` (N,): raw peaks; none is needed. `survey`: the isotope pattern of the precursor.
    `limit` says where a spectrum exceeded what is computed. Raises ValueError for an unknown adduct.
    """
    model = model or load_formula_model()
    mass = adducts.neutral_mass(precursor_mz, adduct)
    if not 0 < mass <= MAX_MASS_DA:
        return FormulaRanking((), 0, 0, 1.0, _outside(mass))
    found = list_formulas(mz, intensity, precursor_mz, adduct, tolerance_ppm, model)
    if not len(found.counts):
        return FormulaRanking((), found.n_formulas, 0, 1.0, "")
    scores = found.features @ model.weights
    similarity: Floats | None = None
    calibration = model.calibrations[PEAKS]
    shares = measured_pattern(survey, adducts.parse(adduct).charge) if survey is not None else None
    if shares is not None:
        patterns = ion_patterns(found.counts, adduct)
        similarity = pattern_similarity(shares, patterns)
        scores = scores + model.isotope_weight * pattern_log_likelihood(shares, patterns)
        calibration = model.calibrations[PEAKS_AND_ISOTOPES]
    probabilities = calibration.probabilities(scores)
    order = np.lexsort((np.abs(found.mass_error_ppm), -probabilities))[:N_SHOWN]
    n_explained = found.evidence.explained.sum(0)
    total = max(float(found.weight.sum()), 1e-12)
    return FormulaRanking(
        candidates=tuple(
            FormulaCandidate(
                rank=rank,
                formula=hill(found.counts[index]),
                mass_error_ppm=float(found.mass_error_ppm[index]),
                n_explained_peaks=int(n_explained[index]),
                explained_intensity=float(found.weight @ found.evidence.explained[:, index]) / total,
                isotope_similarity=None if similarity is None else float(similarity[index]),
                probability=float(probabilities[index]),
            )
            for rank, index in enumerate(order.tolist(), 1)
        ),
        n_formulas=found.n_formulas,
        n_peaks=len(found.evidence.index),
        probability_other=float(max(0.0, 1.0 - probabilities.sum())),
        limit=_too_many(found.n_formulas),
    )


def list_formulas(
    mz: FloatArray,
    intensity: FloatArray,
    precursor_mz: float,
    adduct: str,
    tolerance_ppm: float,
    model: FormulaModel,
) -> FormulaList:
    """The formulas that are read closely, with all features. The mass must be within the limit."""
    counts, error_ppm, blind, n_formulas = list_blind(precursor_mz, adduct, tolerance_ppm, model)
    ions, possible = form_ions(counts, adduct)
    counts, error_ppm, blind = counts[possible], error_ppm[possible], blind[possible]
    peaks = preprocess(Spectrum(np.asarray(mz, float), np.asarray(intensity, float)), max_peaks=MAX_PEAKS)
    if not len(counts):
        peaks = replace(peaks, mz=peaks.mz[:0], intensity=peaks.intensity[:0])
        evidence = _no_evidence()
    else:
        evidence = explain(peaks.mz, ions, model.small, model.vocabulary)
    weight = np.sqrt(peaks.intensity[evidence.index])
    with_peaks = peak_features(evidence, weight, ions.bits, blind @ model.blind_weights, model.vocabulary)
    features = np.concatenate([blind, with_peaks], 1)
    return FormulaList(counts, error_ppm, blind, features, evidence, weight, ions, n_formulas)


def list_blind(
    precursor_mz: float, adduct: str, tolerance_ppm: float, model: FormulaModel
) -> tuple[Counts, Floats, Floats, int]:
    """What is known without a peak: counts, mass errors in ppm, blind features, and the number of formulas.

    At most MAX_CLOSELY_READ rows.
    """
    ion = adducts.parse(adduct)
    mass = adducts.neutral_mass(precursor_mz, adduct)
    half_da = precursor_mz * tolerance_ppm * 1e-6 * abs(ion.charge) / ion.multimer
    # [M]+ is the ion of a permanent cation, or of a molecule that lost an electron.
    counts = enumerate_formulas(mass, half_da, model.hetero, radicals=not ion.composition)
    theoretical = (counts @ MASSES * ion.multimer + ion.mass_shift_da) / abs(ion.charge)
    error_ppm = (precursor_mz - theoretical) / theoretical * 1e6
    blind = blind_features(counts, model.plausibility.terms(counts), error_ppm / tolerance_ppm)
    n_formulas = len(counts)
    if n_formulas > MAX_CLOSELY_READ:
        kept = np.sort(np.argsort(-(blind @ model.blind_weights), kind="stable")[:MAX_CLOSELY_READ])
        counts, error_ppm, blind = counts[kept], error_ppm[kept], blind[kept]
    return counts, error_ppm, blind, n_formulas


def ion_patterns(counts: Counts, adduct: str) -> Floats:
    """Isotope patterns (n, I) of the ions that formulas (n, E) form."""
    ion = adducts.parse(adduct)
    gained = {symbol: number for symbol, number in ion.composition if symbol.isalpha() and symbol != "D"}
    return theoretical_patterns(counts.astype(np.int64) * ion.multimer, gained)


def _no_evidence() -> PeakEvidence:
    none = np.zeros((0, 0))
    bits = none.astype(np.uint64)
    ways = none.astype(np.int64)
    return PeakEvidence(np.zeros(0, np.int64), none > 0, bits, bits, none, np.zeros(0), ways)


def _outside(mass: float) -> str:
    if mass <= 0:
        return (
            f"The precursor and the adduct leave no mass for a molecule ({mass:.4f} Da). "
            "Correct the precursor m/z or the adduct."
        )
    return (
        f"Formulas are listed for molecules up to {MAX_MASS_DA:g} Da. This one has {mass:.4f} Da; "
        "heavier molecules have too many formulas to tell them apart."
    )


def _too_many(n_formulas: int) -> str:
    if n_formulas <= MAX_CLOSELY_READ:
        return ""
    return (
        f"The mass allows {n_formulas:,} formulas. The {MAX_CLOSELY_READ:,} most plausible ones by elements "
        "and mass error were compared with the peaks. A smaller precursor tolerance leaves fewer."
    )
