"""How often the right molecular formula comes first, without a library, beside its controls.

Every row has the same spectra. The precursor has a simulated error, because most records state the
theoretical m/z. The rows "as stated" show what that would give.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from tqdm import tqdm

from models_ml.evaluate.cases import Case, exchange_peaks
from models_ml.evaluate.measures.calibration import expected_calibration_error, reliability
from models_ml.evaluate.measures.resampling import Resampling
from models_ml.evaluate.ranking import Floats
from models_ml.evaluate.reports.formula_outcomes import (
    WITH_ISOTOPES,
    Outcome,
    score_at_random,
    score_blind,
    score_by_mass,
    score_by_peaks,
    score_with_isotopes,
)
from models_ml.evaluate.reports.formula_strata import formula_strata
from models_ml.formulas.enumeration import MAX_MASS_DA, enumerate_formulas
from models_ml.formulas.model import FormulaModel
from models_ml.formulas.ranking import (
    BLIND,
    MAX_CLOSELY_READ,
    PEAKS,
    FormulaList,
    list_formulas,
    rank_formulas,
)
from models_ml.spectra import adducts
from models_ml.training.formulas.measurement import (
    PRECURSOR_ERROR_PPM,
    KnownSpectrum,
    known_spectrum,
    with_foreign_peaks,
    with_precursor_error,
)
from models_ml.training.formulas.stage import ListWithTruth, fit_calibrations, truth_row

HITS = (1, 3, 10)
MASS = "mass error"
SHUFFLED = "peaks of another compound"
FOREIGN = "peaks, with foreign peaks added"
STATED = "precursor as stated"
TIMED = 300  # spectra whose whole ranking is timed


def formula_report(
    cases: Sequence[Case],
    model: FormulaModel,
    *,
    tolerance_ppm: float,
    seed: int,
    val: Sequence[Case] = (),
) -> dict[str, Any]:
    """Rows by method, why truths are not listed, strata of the main rows, and the time per spectrum.

    With `val`, rows also have the calibration error that a calibration fitted on these spectra would give.
    Raises ValueError if no spectrum has a precursor and an adduct that is understood.
    """
    known = _known(cases, "spectrum")
    measured = [with_precursor_error(spectrum) for spectrum in known]
    lists = _lists(measured, model, tolerance_ppm, "formulas")
    outcomes = {
        **_calibrated(lists, model, seed),
        MASS: score_by_mass(lists),
        "random": score_at_random(lists),
    }
    exchanged = exchange_peaks(
        [
            replace(case, spectrum=spectrum.spectrum)
            for case, spectrum in zip(_usable(cases), measured, strict=True)
        ],
        tolerance_ppm=tolerance_ppm,
    )[0]
    rng = np.random.default_rng(seed)
    variants = {
        SHUFFLED: [
            replace(own, spectrum=case.spectrum) for own, case in zip(measured, exchanged, strict=True)
        ],
        FOREIGN: [with_foreign_peaks(spectrum, measured, rng) for spectrum in measured],
    }
    for name, spectra in variants.items():
        outcomes[name] = score_by_peaks(_lists(spectra, model, tolerance_ppm, name), model)
    stated = _lists(known, model, tolerance_ppm, STATED)
    outcomes[f"{PEAKS}, {STATED}"] = score_by_peaks(stated, model)
    outcomes[f"{MASS}, {STATED}"] = score_by_mass(stated)
    resampling = Resampling([spectrum.compound for spectrum in known], seed=seed)
    rows = {name: _row(found, resampling) for name, found in outcomes.items()}
    if val:
        for name, found in _calibrated(lists, _recalibrated(val, model, tolerance_ppm, seed), seed).items():
            refitted = _row(found, resampling)
            if "ece" in refitted:
                rows[name]["ece_val"] = refitted["ece"]
    return {
        "n_spectra": len(known),
        "n_compounds": resampling.n_compounds,
        "n_val_spectra": len(val),
        "tolerance_ppm": tolerance_ppm,
        "precursor_error_ppm": PRECURSOR_ERROR_PPM,
        "methods": rows,
        "differences": {
            f"{PEAKS} - {name}": _difference(outcomes[PEAKS], outcomes[name], resampling)
            for name in (BLIND, MASS, SHUFFLED)
        },
        "not_listed": _not_listed(measured, lists, model, tolerance_ppm),
        "n_formulas": _quantiles([found.formulas.n_formulas if found else 0 for found in lists]),
        "strata": formula_strata(
            known,
            {name: _hits(outcomes[name], 1) for name in (PEAKS, WITH_ISOTOPES, BLIND, MASS)},
        ),
        "milliseconds_per_spectrum": _timing(measured, model, tolerance_ppm, seed),
    }


def _known(cases: Sequence[Case], name: str) -> list[KnownSpectrum]:
    known = [known_spectrum(case.spectrum, case.truth) for case in cases if _is_usable(case)]
    if not known:
        raise ValueError(f"no {name} has a structure, a precursor m/z and an adduct that is understood.")
    return known


def _calibrated(
    lists: Sequence[ListWithTruth | None], model: FormulaModel, seed: int
) -> dict[str, list[Outcome]]:
    """The ways of ranking that state probabilities, and the isotope pattern without peaks."""
    return {
        PEAKS: score_by_peaks(lists, model),
        **score_with_isotopes(lists, model, seed),
        BLIND: score_blind(lists, model),
    }


def _recalibrated(val: Sequence[Case], model: FormulaModel, tolerance_ppm: float, seed: int) -> FormulaModel:
    """The model with calibrations that are fitted on `val`, as its training does."""
    measured = [with_precursor_error(spectrum) for spectrum in _known(val, "spectrum of --val")]
    lists = [found for found in _lists(measured, model, tolerance_ppm, "validation") if found]
    return replace(model, calibrations=fit_calibrations(lists, model, np.random.default_rng(seed)))


def _is_usable(case: Case) -> bool:
    spectrum = case.spectrum
    return bool(spectrum.precursor_mz and spectrum.adduct and adducts.normalise(spectrum.adduct))


def _usable(cases: Sequence[Case]) -> list[Case]:
    return [case for case in cases if _is_usable(case)]


def _lists(
    spectra: Sequence[KnownSpectrum], model: FormulaModel, tolerance_ppm: float, name: str
) -> list[ListWithTruth | None]:
    """None for a mass above the limit and for a spectrum without any formula."""
    lists: list[ListWithTruth | None] = []
    for known in tqdm(spectra, name):
        found: FormulaList | None = None
        if 0 < adducts.neutral_mass(known.precursor_mz, known.adduct) <= MAX_MASS_DA:
            spectrum = known.spectrum
            found = list_formulas(
                spectrum.mz, spectrum.intensity, known.precursor_mz, known.adduct, tolerance_ppm, model
            )
        if found is None or not len(found.counts):
            lists.append(None)
        else:
            lists.append(ListWithTruth(known, found.without_evidence(), truth_row(found.counts, known.truth)))
    return lists


def _hits(outcomes: Sequence[Outcome], most: int) -> Floats:
    """(n,)"""
    return np.array([outcome.hit(most) for outcome in outcomes])


def _row(outcomes: Sequence[Outcome], resampling: Resampling) -> dict[str, Any]:
    row = resampling.summary({f"hit@{most}": _hits(outcomes, most) for most in HITS})
    confidence = np.array([outcome.confidence for outcome in outcomes])
    if not np.isnan(confidence).any():
        bins = reliability(confidence, _hits(outcomes, 1))
        row["ece"] = round(expected_calibration_error(bins), 4)
        row["mean_confidence"] = round(float(confidence.mean()), 4)
        row["reliability"] = [[bin_.confidence, bin_.accuracy, bin_.n] for bin_ in bins]
    return row


def _difference(
    first: Sequence[Outcome], second: Sequence[Outcome], resampling: Resampling
) -> dict[str, Any]:
    return resampling.summary({"hit@1": _hits(first, 1) - _hits(second, 1)})


def _not_listed(
    spectra: Sequence[KnownSpectrum],
    lists: Sequence[ListWithTruth | None],
    model: FormulaModel,
    tolerance_ppm: float,
) -> dict[str, float]:
    """Share of spectra whose true formula is not ranked, by reason."""
    reasons: dict[str, int] = {}
    for known, found in zip(spectra, lists, strict=True):
        if found is None or found.truth is None:
            reason = _why_not_listed(known, model, tolerance_ppm)
            reasons[reason] = reasons.get(reason, 0) + 1
    shares = {reason: round(number / len(spectra), 4) for reason, number in sorted(reasons.items())}
    return {"all": round(sum(reasons.values()) / len(spectra), 4), **shares}


def _why_not_listed(known: KnownSpectrum, model: FormulaModel, tolerance_ppm: float) -> str:
    mass = adducts.neutral_mass(known.precursor_mz, known.adduct)
    if known.truth is None:
        return "element or number of atoms beyond the enumeration"
    if mass > MAX_MASS_DA:
        return f"heavier than {MAX_MASS_DA:g} Da"
    ion = adducts.parse(known.adduct)
    wide = known.precursor_mz * 50e-6 * abs(ion.charge) / ion.multimer
    found = enumerate_formulas(mass, wide, model.hetero, radicals=not ion.composition)
    if truth_row(found, known.truth) is None:
        return "refused by the rules, or a rare combination of elements"
    narrow = wide * tolerance_ppm / 50
    inside = enumerate_formulas(mass, narrow, model.hetero, radicals=not ion.composition)
    if truth_row(inside, known.truth) is None:
        return "mass error above the tolerance"
    return f"not among the {MAX_CLOSELY_READ:,} most plausible"


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    return {
        name: round(float(np.quantile(values, share)), 1)
        for name, share in (("median", 0.5), ("p95", 0.95), ("largest", 1.0))
    }


def _timing(
    spectra: Sequence[KnownSpectrum], model: FormulaModel, tolerance_ppm: float, seed: int
) -> dict[str, float]:
    """Wall time of `rank_formulas` on random spectra, with the tables built."""
    times = []
    for index in np.random.default_rng(seed).permutation(len(spectra))[:TIMED].tolist():
        known = spectra[index]
        start = time.perf_counter()
        rank_formulas(
            known.spectrum.mz,
            known.spectrum.intensity,
            known.precursor_mz,
            known.adduct,
            tolerance_ppm,
            model=model,
        )
        times.append((time.perf_counter() - start) * 1e3)
    return _quantiles(times)
