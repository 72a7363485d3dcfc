"""The command `formulas`: fits plausibility, vocabulary, weights and calibrations; writes one JSON file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models_ml.formulas.elements import Counts, Floats, counts_row
from models_ml.formulas.enumeration import MAX_MASS_DA
from models_ml.formulas.features import FEATURES
from models_ml.formulas.isotopes import pattern_log_likelihood, simulate_pattern
from models_ml.formulas.model import Calibration, FormulaModel
from models_ml.formulas.plausibility import Plausibility
from models_ml.formulas.ranking import (
    BLIND,
    PEAKS,
    PEAKS_AND_ISOTOPES,
    FormulaList,
    ion_patterns,
    list_blind,
    list_formulas,
)
from models_ml.formulas.vocabulary import Vocabulary
from models_ml.molecules.formula import hill_formula, parse_formula
from models_ml.molecules.readers import read_structures
from models_ml.molecules.readers.rows import StructureIssue
from models_ml.molecules.structure_text import UnusableStructure, parse_structure
from models_ml.spectra import adducts
from models_ml.training.formulas.calibration import fit_calibration
from models_ml.training.formulas.conditional_logit import fit_conditional_logit
from models_ml.training.formulas.measurement import (
    PRECURSOR_ERROR_PPM,
    KnownSpectrum,
    read_known_spectra,
    with_foreign_peaks,
    with_precursor_error,
)
from models_ml.training.formulas.vocabulary import VocabularyCounts
from models_ml.training.settings import FormulasSettings

N_WRONG = 20  # wrong formulas of each spectrum that the vocabulary counts
MOST_ROWS = 300  # of a list that the weights learn from
VOCABULARY_ROUNDS = 2  # the second chooses among several explanations by the first
VOCABULARY_SHARE = 0.7  # of the training compounds; the weights learn on the others
_START = np.array([0.7, 0.7, 0.7, -4.0, 0.0, 0.0])  # of the blind weights, before they are fitted


def train_formulas(settings: FormulasSettings) -> None:
    """Prints each step. Writes `out`, which the package reads if it is its own parameters.json."""
    rng = np.random.default_rng(settings.seed)
    plausibility = fit_plausibility(settings.structures)
    train = _measured(settings.train, settings.per_compound, settings.seed)
    val = _measured(settings.val, settings.per_compound, settings.seed)
    for_vocabulary, for_weights = _divide(train, rng)
    model = FormulaModel(
        plausibility=plausibility,
        vocabulary=Vocabulary.empty(),
        weights=np.zeros(len(FEATURES)),
        blind_weights=_START,
        isotope_weight=0.0,
        calibrations={},
        fitted_on={
            "structures": settings.structures.name,
            "train": settings.train.name,
            "val": settings.val.name,
            "per_compound": settings.per_compound,
            "seed": settings.seed,
            "precursor_error_ppm": PRECURSOR_ERROR_PPM,
            "tolerance_ppm": settings.tolerance_ppm,
            "n_train_spectra": len(train),
            "n_val_spectra": len(val),
        },
    )
    tolerance = settings.tolerance_ppm
    model = replace(model, blind_weights=_fit_blind(for_vocabulary, model, tolerance, rng))
    for _ in range(VOCABULARY_ROUNDS):
        model = replace(model, vocabulary=_fit_vocabulary(for_vocabulary, model, tolerance, rng))
    disturbed = [
        with_foreign_peaks(known, for_weights, rng) if rng.random() < settings.foreign_peaks else known
        for known in for_weights
    ]
    lists = list(_lists(disturbed, model, tolerance, "weights"))
    model = replace(model, weights=_fit_weights(lists, rng))
    model = replace(model, isotope_weight=_fit_isotopes(lists, model, rng))
    val_lists = list(_lists(val, model, tolerance, "calibration"))
    model = replace(model, calibrations=fit_calibrations(val_lists, model, rng))
    settings.out.write_text(json.dumps(model.to_json(), indent=1) + "\n", encoding="utf-8")
    print(f"wrote {settings.out}")


def fit_plausibility(structures: Path) -> Plausibility:
    """From the formulas of a structure file; each counts with the square root of its number of structures."""
    n_of: Counter[str] = Counter()
    for row in tqdm(read_structures(structures), "structures"):
        if not isinstance(row, StructureIssue):
            try:
                n_of[hill_formula(parse_structure(row.structure))] += 1
            except UnusableStructure:
                continue
    pairs = [(counts_row(parse_formula(formula)), number) for formula, number in n_of.items()]
    rows = [(row, number) for row, number in pairs if row is not None]
    return Plausibility.fit(
        np.array([row for row, _ in rows]), np.sqrt(np.array([number for _, number in rows], float))
    )


@dataclass(frozen=True, slots=True, eq=False)
class ListWithTruth:
    """The formulas of one spectrum, and which row is right."""

    known: KnownSpectrum
    formulas: FormulaList
    truth: int | None  # None: not among them


def truth_row(counts: Counts, truth: Counts | None) -> int | None:
    """Row of `counts` (n, E) that equals `truth` (E,)."""
    if truth is None:
        return None
    found = np.flatnonzero((counts == truth).all(1))
    return int(found[0]) if len(found) else None


def _measured(path: Path, per_compound: int, seed: int) -> list[KnownSpectrum]:
    spectra = read_known_spectra(path, per_compound=per_compound, seed=seed)
    measured = [with_precursor_error(known) for known in spectra]
    return [
        known
        for known in measured
        if 0 < adducts.neutral_mass(known.precursor_mz, known.adduct) <= MAX_MASS_DA
    ]


def _divide(
    spectra: Sequence[KnownSpectrum], rng: np.random.Generator
) -> tuple[list[KnownSpectrum], list[KnownSpectrum]]:
    """By compound."""
    compounds = sorted({known.compound for known in spectra})
    first = {
        compound
        for compound, draw in zip(compounds, rng.random(len(compounds)), strict=True)
        if draw < VOCABULARY_SHARE
    }
    return (
        [known for known in spectra if known.compound in first],
        [known for known in spectra if known.compound not in first],
    )


def _lists(
    spectra: Sequence[KnownSpectrum], model: FormulaModel, tolerance_ppm: float, name: str
) -> Iterable[ListWithTruth]:
    """Lists with at least one formula."""
    for known in tqdm(spectra, name):
        spectrum = known.spectrum
        found = list_formulas(
            spectrum.mz, spectrum.intensity, known.precursor_mz, known.adduct, tolerance_ppm, model
        )
        if len(found.counts):
            yield ListWithTruth(known, found, truth_row(found.counts, known.truth))


def _fit_blind(
    spectra: Sequence[KnownSpectrum], model: FormulaModel, tolerance_ppm: float, rng: np.random.Generator
) -> Floats:
    lists, truths = [], []
    for known in tqdm(spectra, "blind weights"):
        counts, _, blind, _ = list_blind(known.precursor_mz, known.adduct, tolerance_ppm, model)
        truth = truth_row(counts, known.truth)
        if truth is not None:
            rows = _some_rows(len(counts), truth, rng)
            lists.append(blind[rows])
            truths.append(0)
    return fit_conditional_logit(lists, truths)


def _fit_vocabulary(
    spectra: Sequence[KnownSpectrum], model: FormulaModel, tolerance_ppm: float, rng: np.random.Generator
) -> Vocabulary:
    n_of = Counter(known.compound for known in spectra)
    counts = VocabularyCounts()
    for found in _lists(spectra, model, tolerance_ppm, "vocabulary"):
        if found.truth is None or len(found.formulas.counts) < 2:
            continue
        # Wrong formulas are drawn as often as they are plausible: the weights must tell these from the truth.
        plausible = found.formulas.blind @ model.blind_weights + rng.gumbel(size=len(found.formulas.counts))
        plausible[found.truth] = -np.inf
        wrong = np.argsort(-plausible)[: min(N_WRONG, len(plausible) - 1)]
        counts.add(found.formulas.evidence, found.truth, wrong, 1 / n_of[found.known.compound])
    return counts.vocabulary()


def _fit_weights(lists: Sequence[ListWithTruth], rng: np.random.Generator) -> Floats:
    features, truths = [], []
    for found in lists:
        if found.truth is not None:
            rows = _some_rows(len(found.formulas.counts), found.truth, rng)
            features.append(found.formulas.features[rows])
            truths.append(0)
    return fit_conditional_logit(features, truths)


def _fit_isotopes(lists: Sequence[ListWithTruth], model: FormulaModel, rng: np.random.Generator) -> float:
    """Weight of the pattern relative to that of the other features, which is kept."""
    features, truths = [], []
    for found in lists:
        if found.truth is not None:
            scores = found.formulas.features @ model.weights
            features.append(np.stack([scores, simulated_isotopes(found, rng)], 1))
            truths.append(found.truth)
    both = fit_conditional_logit(features, truths)
    return float(both[1] / max(both[0], 1e-6))


def simulated_isotopes(found: ListWithTruth, rng: np.random.Generator) -> Floats:
    """Log likelihood (n,) of a simulated pattern of the true formula. Zero where the truth is unknown."""
    if found.known.truth is None:
        return np.zeros(len(found.formulas.counts))
    true_shares = ion_patterns(found.known.truth[None], found.known.adduct)[0]
    measured = simulate_pattern(true_shares, rng)
    if np.count_nonzero(measured) < 2:  # as `measured_pattern`: no second peak, no pattern
        return np.zeros(len(found.formulas.counts))
    return pattern_log_likelihood(measured, ion_patterns(found.formulas.counts, found.known.adduct))


def fit_calibrations(
    lists: Sequence[ListWithTruth], model: FormulaModel, rng: np.random.Generator
) -> dict[str, Calibration]:
    """The calibration of each way of ranking. `lists`: of spectra that the weights never saw."""
    truths = [found.truth for found in lists]
    peaks = [found.formulas.features @ model.weights for found in lists]
    isotopes = [
        scores + model.isotope_weight * simulated_isotopes(found, rng)
        for scores, found in zip(peaks, lists, strict=True)
    ]
    blind = [found.formulas.blind @ model.blind_weights for found in lists]
    return {
        PEAKS: fit_calibration(peaks, truths),
        PEAKS_AND_ISOTOPES: fit_calibration(isotopes, truths),
        BLIND: fit_calibration(blind, truths),
    }


def _some_rows(n: int, truth: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The right row first, then at most MOST_ROWS - 1 random others."""
    others = rng.permutation(np.delete(np.arange(n), truth))[: MOST_ROWS - 1]
    return np.concatenate([[truth], others]).astype(np.int64)
