"""All metrics of one method, with its controls: one row of the report.

A row always has every metric. A metric that could not be computed is None, and `notes` states the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from models_ml.evaluate.cases import Case
from models_ml.evaluate.library import Library
from models_ml.evaluate.measures.calibration import (
    accuracy_at_coverage,
    area_under_curve,
    expected_calibration_error,
    reliability,
)
from models_ml.evaluate.measures.mces import MISSING, MCESDistances
from models_ml.evaluate.measures.posterior import log_p_truth, p_first
from models_ml.evaluate.measures.rank_metrics import generation_metrics, per_spectrum, tanimoto_at_1
from models_ml.evaluate.measures.resampling import Resampling
from models_ml.evaluate.measures.strata import strata_metrics
from models_ml.evaluate.measures.temperatures import BLIND_OF, Temperatures
from models_ml.evaluate.methods.registry import BLIND
from models_ml.evaluate.methods.runs import Runs
from models_ml.evaluate.ranking import Floats, Ranking
from models_ml.ranking.fuse import CLOSE_TANIMOTO

TEST, SHUFFLED, VAL, ABSENT = "test", "shuffled", "val", "truth deleted"
COVERAGE = 0.5

NO_TWIN = "there is no blind twin: name its checkpoint with --blind"
NO_VAL = "the checkpoint has no temperatures: name validation spectra with --val to fit them"


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationContext:
    """What all rows share."""

    runs: Runs
    cases: Sequence[Case]
    library: Library
    resampling: Resampling
    strata: Mapping[str, Sequence[str]]
    distances: MCESDistances
    mces_limit: int
    seed: int
    temperatures: Temperatures
    absent_indices: Sequence[int]  # of the cases that are ranked again with their truth deleted
    hits: dict[str, Floats] = field(default_factory=dict)  # by method, added row by row


def measure(method: str, context: EvaluationContext) -> dict[str, Any]:
    """The row of the method."""
    runs, cases = context.runs, context.cases
    rankings = runs.of(method, TEST)
    compounds = [case.compound for case in cases]
    notes: dict[str, str] = {}
    values = per_spectrum(rankings)
    values["tanimoto@1"] = tanimoto_at_1(rankings, cases, context.library)
    context.hits[method] = values["hit@1"]
    _add_controls(values, method, context, notes)
    temperature = _temperature(method, context, blind=method == BLIND)
    _add_information(values, method, temperature, context, notes)
    row: dict[str, Any] = dict.fromkeys(("blind_hit@1", "shuffled_hit@1", "lift@1", "information_bits"))
    row |= context.resampling.summary(values)
    row |= _mces(rankings, context, row["ci95"], notes)
    row |= _calibration(rankings, values["hit@1"], temperature, notes)
    row["ece_close"] = closeness_error(rankings, values["tanimoto@1"])
    row |= _abstention(method, rankings, context, notes)
    row |= generation_metrics(rankings, compounds)
    seconds = runs.seconds_of(method, TEST)
    return row | {
        "n_spectra": len(cases),
        "n_compounds": context.resampling.n_compounds,
        "n_failed": sum(ranking.n_candidates == 0 for ranking in rankings),
        "spectra_per_s": round(len(cases) / max(seconds, 1e-9), 2),
        "twin_of": runs.twin_of(method),
        "strata": strata_metrics(context.strata, values["hit@1"], values.get("blind_hit@1"), compounds),
        "notes": notes,
    }


def differences(context: EvaluationContext, main: str) -> dict[str, Any]:
    """hit@1 of the main method minus hit@1 of each other method, paired by spectrum."""
    if main not in context.hits:
        return {}
    rows: dict[str, Any] = {}
    for method, hits in context.hits.items():
        if method != main:
            values = context.hits[main] - hits
            rows[f"{main} - {method}"] = {
                "hit@1": round(float(values.mean()), 4),
                "ci95": context.resampling.interval(values),
            }
    return rows


def _add_controls(
    values: dict[str, Floats], method: str, context: EvaluationContext, notes: dict[str, str]
) -> None:
    blind = context.runs.blind_of(method, TEST)
    if blind is None:
        notes["blind_hit@1"] = notes["lift@1"] = NO_TWIN
    else:
        values["blind_hit@1"] = per_spectrum(blind)["hit@1"]
        values["lift@1"] = values["hit@1"] - values["blind_hit@1"]
    # The blind twin sees no peaks, so exchanging them changes nothing.
    shuffled = context.runs.of(method, TEST if method == BLIND else SHUFFLED)
    values["shuffled_hit@1"] = per_spectrum(shuffled)["hit@1"]


def _add_information(
    values: dict[str, Floats],
    method: str,
    temperature: float | None,
    context: EvaluationContext,
    notes: dict[str, str],
) -> None:
    """log2(p(truth | spectrum) / p_blind(truth)) of each spectrum whose truth is a candidate."""
    runs = context.runs
    blind = runs.blind_of(method, TEST)
    twin_temperature = None if blind is None else _temperature(method, context, blind=True)
    if blind is None or temperature is None or twin_temperature is None:
        notes["information_bits"] = NO_TWIN if blind is None else NO_VAL
        return
    with_peaks = log_p_truth(runs.of(method, TEST), temperature)
    values["information_bits"] = (with_peaks - log_p_truth(blind, twin_temperature)) / np.log(2)


def _temperature(method: str, context: EvaluationContext, *, blind: bool) -> float | None:
    """Temperature of the scores of the method, or of its blind twin. None if there is none."""
    runs = context.runs
    if not blind:
        validation = (lambda: runs.of(method, VAL)) if runs.sets[VAL] else None
        return context.temperatures.of(method, validation)
    twin = runs.main if method == BLIND else runs.twin_of(method)
    if twin is None:
        return None
    validation = (lambda: runs.blind(twin, VAL)) if runs.sets[VAL] else None
    return context.temperatures.of(BLIND_OF + twin, validation)


def _mces(
    rankings: Sequence[Ranking],
    context: EvaluationContext,
    ci95: dict[str, list[float]],
    notes: dict[str, str],
) -> dict[str, Any]:
    empty = {"mces@1": None, "mces_pairs": 0, "mces_spectra": 0}
    if context.mces_limit == 0:
        notes["mces@1"] = "switched off (--mces-limit 0)"
        return empty
    pairs = [
        (context.library.molecules[int(ranking.keys[0])].smiles, case.truth.smiles)
        if len(ranking.keys)
        else None
        for ranking, case in zip(rankings, context.cases, strict=True)
    ]
    try:
        mces = context.distances.mean(pairs, limit=context.mces_limit, seed=context.seed)
    except ImportError:
        notes["mces@1"] = MISSING
        return empty
    if mces is None:
        notes["mces@1"] = "no spectrum has a candidate"
        return empty
    values = np.full(len(rankings), np.nan)
    for index, distance in mces.values:
        values[index] = distance
    ci95["mces@1"] = context.resampling.interval(values)
    return {"mces@1": round(mces.mean, 3), "mces_pairs": mces.n_pairs, "mces_spectra": mces.n_spectra}


def _calibration(
    rankings: Sequence[Ranking], hit: Floats, temperature: float | None, notes: dict[str, str]
) -> dict[str, Any]:
    """By the method's own probability of its first candidate; otherwise by the softmax of its scores."""
    row: dict[str, Any] = {
        "ece": None,
        f"accuracy@{COVERAGE:.0%}": None,
        "confidence_from": None,
        "temperature": temperature,
        "reliability": [],
    }
    has_candidates = np.array([ranking.n_candidates > 0 for ranking in rankings])
    own = [ranking.p_right for ranking in rankings if ranking.n_candidates]
    if own and all(p is not None for p in own):
        confidence, source = np.array(own, float), "the method"
    elif temperature is not None and has_candidates.any():
        confidence, source = (
            p_first(rankings, temperature)[has_candidates],
            "softmax of scores, temperature from --val",
        )
    else:
        notes["ece"] = notes[f"accuracy@{COVERAGE:.0%}"] = NO_VAL
        return row
    bins = reliability(confidence, hit[has_candidates])
    return row | {
        "ece": round(expected_calibration_error(bins), 4),
        f"accuracy@{COVERAGE:.0%}": round(accuracy_at_coverage(confidence, hit[has_candidates], COVERAGE), 4),
        "confidence_from": source,
        "reliability": [asdict(bin_) for bin_ in bins],
    }


def closeness_error(rankings: Sequence[Ranking], tanimoto: Floats) -> float | None:
    """Calibration error of `p_close`; None if the method does not state it for every spectrum."""
    pairs = [
        (ranking.p_close, value)
        for ranking, value in zip(rankings, tanimoto, strict=True)
        if ranking.keys.size
    ]
    p_close = np.array([p for p, _ in pairs if p is not None], float)
    if not pairs or len(p_close) < len(pairs):
        return None
    is_close = np.array([value >= CLOSE_TANIMOTO for _, value in pairs], float)
    return round(expected_calibration_error(reliability(p_close, is_close)), 4)


def _abstention(
    method: str, rankings: Sequence[Ranking], context: EvaluationContext, notes: dict[str, str]
) -> dict[str, Any]:
    """How often the method answers "None of these", with the truth in the candidates and after its deletion.

    `abstained_right`: share of the former whose first candidate is right.
    """
    names = ("abstained", "abstained_right", "abstained_absent", "absent_auc", "n_absent")
    row: dict[str, Any] = dict.fromkeys(names)
    abstentions = [ranking.abstains for ranking in rankings if ranking.abstains is not None]
    if not abstentions:
        notes["abstained"] = notes["absent_auc"] = "the method does not state that a molecule is absent"
        return row
    row["abstained"] = round(float(np.mean(abstentions)), 4)
    first_is_right = [ranking.rank <= 1 for ranking in rankings if ranking.abstains]
    if first_is_right:
        row["abstained_right"] = round(float(np.mean(first_is_right)), 4)
    if not context.absent_indices:
        notes["absent_auc"] = "switched off (--absent-limit 0), or no case has another candidate"
        return row
    deleted = context.runs.of(method, ABSENT)
    pairs = [
        (ranking.p_absent, rankings[index].p_absent, ranking.abstains)
        for index, ranking in zip(context.absent_indices, deleted, strict=True)
    ]
    complete = [pair for pair in pairs if pair[0] is not None and pair[1] is not None]
    absent, present, abstained = (np.array(column, float) for column in zip(*complete, strict=True))
    return row | {
        "abstained_absent": round(float(abstained.mean()), 4),
        "absent_auc": round(area_under_curve(absent, present), 4),
        "n_absent": len(complete),
    }
