"""All figures of one method, with its controls: what a row of the report holds.

Every figure is always there; one that could not be had is None, and `notes` says why.
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
from models_ml.evaluate.measures.metrics import Resampling, generation_figures, per_spectrum, tanimoto_at_1
from models_ml.evaluate.measures.posterior import log_p_truth, p_first
from models_ml.evaluate.measures.strata import strata_figures
from models_ml.evaluate.measures.temperatures import BLIND_OF, Temperatures
from models_ml.evaluate.methods.registry import BLIND
from models_ml.evaluate.methods.runs import Runs
from models_ml.evaluate.ranking import Floats, Ranking
from models_ml.ranking.fuse import CLOSE_TANIMOTO

TEST, SHUFFLED, VAL, ABSENT = "test", "shuffled", "val", "truth deleted"
COVERAGE = 0.5

NO_TWIN = "no blind twin was given (--blind)"
NO_VAL = "no validation spectra were given to fit temperatures on (--val), and the checkpoint keeps none"


@dataclass(frozen=True, slots=True, eq=False)
class Measuring:
    """What every row shares."""

    runs: Runs
    cases: Sequence[Case]
    library: Library
    resampling: Resampling
    strata: Mapping[str, Sequence[str]]
    distances: MCESDistances
    mces_limit: int
    seed: int
    temperatures: Temperatures
    absent_places: Sequence[int]  # of the cases whose truth was deleted for a second pass
    hits: dict[str, Floats] = field(default_factory=dict)  # filled row by row


def measure(method: str, about: Measuring) -> dict[str, Any]:
    runs, cases = about.runs, about.cases
    rankings = runs.of(method, TEST)
    compounds = [case.compound for case in cases]
    notes: dict[str, str] = {}
    values = per_spectrum(rankings)
    values["tanimoto@1"] = tanimoto_at_1(rankings, cases, about.library)
    about.hits[method] = values["hit@1"]
    _add_controls(values, method, about, notes)
    temperature = _temperature(method, about, blind=method == BLIND)
    _add_information(values, method, temperature, about, notes)
    row: dict[str, Any] = dict.fromkeys(("blind_hit@1", "shuffled_hit@1", "lift@1", "information_bits"))
    row |= about.resampling.summary(values)
    row |= _mces(rankings, about, row["ci95"], notes)
    row |= _calibration(rankings, values["hit@1"], temperature, notes)
    row["ece_close"] = _closeness_error(rankings, values["tanimoto@1"])
    row |= _abstention(method, rankings, about, notes)
    row |= generation_figures(rankings, compounds)
    seconds = runs.seconds_of(method, TEST)
    return row | {
        "n_spectra": len(cases),
        "n_compounds": about.resampling.n_compounds,
        "n_failed": sum(ranking.n_candidates == 0 for ranking in rankings),
        "spectra_per_s": round(len(cases) / max(seconds, 1e-9), 2),
        "twin_of": runs.twin_of(method),
        "strata": strata_figures(about.strata, values["hit@1"], values.get("blind_hit@1"), compounds),
        "notes": notes,
    }


def differences(about: Measuring, main: str) -> dict[str, Any]:
    """hit@1 of the main method less that of each other, paired by spectrum."""
    if main not in about.hits:
        return {}
    found: dict[str, Any] = {}
    for method, hits in about.hits.items():
        if method != main:
            values = about.hits[main] - hits
            found[f"{main} - {method}"] = {
                "hit@1": round(float(values.mean()), 4),
                "ci95": about.resampling.interval(values),
            }
    return found


def _add_controls(values: dict[str, Floats], method: str, about: Measuring, notes: dict[str, str]) -> None:
    blind = about.runs.blind_of(method, TEST)
    if blind is None:
        notes["blind_hit@1"] = notes["lift@1"] = NO_TWIN
    else:
        values["blind_hit@1"] = per_spectrum(blind)["hit@1"]
        values["lift@1"] = values["hit@1"] - values["blind_hit@1"]
    # The blind twin sees no peaks, so exchanging them changes nothing.
    shuffled = about.runs.of(method, TEST if method == BLIND else SHUFFLED)
    values["shuffled_hit@1"] = per_spectrum(shuffled)["hit@1"]


def _add_information(
    values: dict[str, Floats],
    method: str,
    temperature: float | None,
    about: Measuring,
    notes: dict[str, str],
) -> None:
    """log2 p(truth | spectrum) / p_blind(truth) of each spectrum whose truth is a candidate."""
    runs = about.runs
    blind = runs.blind_of(method, TEST)
    twin_temperature = None if blind is None else _temperature(method, about, blind=True)
    if blind is None or temperature is None or twin_temperature is None:
        notes["information_bits"] = NO_TWIN if blind is None else NO_VAL
        return
    seen = log_p_truth(runs.of(method, TEST), temperature)
    values["information_bits"] = (seen - log_p_truth(blind, twin_temperature)) / np.log(2)


def _temperature(method: str, about: Measuring, *, blind: bool) -> float | None:
    """Of the method's scores, or of its blind twin's."""
    runs = about.runs
    if not blind:
        ranked = (lambda: runs.of(method, VAL)) if runs.sets[VAL] else None
        return about.temperatures.of(method, ranked)
    twin = runs.main if method == BLIND else runs.twin_of(method)
    if twin is None:
        return None
    return about.temperatures.of(BLIND_OF + twin, (lambda: runs.blind(twin, VAL)) if runs.sets[VAL] else None)


def _mces(
    rankings: Sequence[Ranking], about: Measuring, ci95: dict[str, list[float]], notes: dict[str, str]
) -> dict[str, Any]:
    nothing = {"mces@1": None, "mces_pairs": 0, "mces_spectra": 0}
    if about.mces_limit == 0:
        notes["mces@1"] = "switched off (--mces-limit 0)"
        return nothing
    pairs = [
        (about.library.molecules[int(ranking.keys[0])].smiles, case.truth.smiles)
        if len(ranking.keys)
        else None
        for ranking, case in zip(rankings, about.cases, strict=True)
    ]
    try:
        found = about.distances.mean(pairs, limit=about.mces_limit, seed=about.seed)
    except ImportError:
        notes["mces@1"] = MISSING
        return nothing
    if found is None:
        notes["mces@1"] = "no spectrum has a candidate"
        return nothing
    values = np.full(len(rankings), np.nan)
    for place, distance in found.values:
        values[place] = distance
    ci95["mces@1"] = about.resampling.interval(values)
    return {"mces@1": round(found.mean, 3), "mces_pairs": found.n_pairs, "mces_spectra": found.n_spectra}


def _calibration(
    rankings: Sequence[Ranking], hit: Floats, temperature: float | None, notes: dict[str, str]
) -> dict[str, Any]:
    """By the method's own probability of its first candidate; else by the softmax fitted on validation."""
    row: dict[str, Any] = {
        "ece": None,
        f"accuracy@{COVERAGE:.0%}": None,
        "confidence_from": None,
        "temperature": temperature,
        "reliability": [],
    }
    asked = np.array([ranking.n_candidates > 0 for ranking in rankings])
    own = [ranking.p_right for ranking in rankings if ranking.n_candidates]
    if own and all(p is not None for p in own):
        confidence, source = np.array(own, float), "the method"
    elif temperature is not None and asked.any():
        confidence, source = (
            p_first(rankings, temperature)[asked],
            "softmax of scores, temperature from --val",
        )
    else:
        notes["ece"] = notes[f"accuracy@{COVERAGE:.0%}"] = NO_VAL
        return row
    bins = reliability(confidence, hit[asked])
    return row | {
        "ece": round(expected_calibration_error(bins), 4),
        f"accuracy@{COVERAGE:.0%}": round(accuracy_at_coverage(confidence, hit[asked], COVERAGE), 4),
        "confidence_from": source,
        "reliability": [asdict(one) for one in bins],
    }


def _closeness_error(rankings: Sequence[Ranking], tanimoto: Floats) -> float | None:
    """Calibration error of what the method says of being close; None if it says nothing."""
    said = [(one.p_close, value) for one, value in zip(rankings, tanimoto, strict=True) if one.keys.size]
    stated = np.array([p for p, _ in said if p is not None], float)
    if not said or len(stated) < len(said):
        return None
    close = np.array([value >= CLOSE_TANIMOTO for _, value in said], float)
    return round(expected_calibration_error(reliability(stated, close)), 4)


def _abstention(
    method: str, rankings: Sequence[Ranking], about: Measuring, notes: dict[str, str]
) -> dict[str, Any]:
    """How often it answers "none of these", with the truth among the candidates and after it was deleted.

    `abstained_right`: for what share of the former its first candidate was right all the same.
    """
    figures = ("abstained", "abstained_right", "abstained_absent", "absent_auc", "n_absent")
    row: dict[str, Any] = dict.fromkeys(figures)
    said = [ranking.abstains for ranking in rankings if ranking.abstains is not None]
    if not said:
        notes["abstained"] = notes["absent_auc"] = "the method does not tell when the molecule is absent"
        return row
    row["abstained"] = round(float(np.mean(said)), 4)
    lost = [ranking.rank <= 1 for ranking in rankings if ranking.abstains]
    if lost:
        row["abstained_right"] = round(float(np.mean(lost)), 4)
    if not about.absent_places:
        notes["absent_auc"] = "switched off (--absent-limit 0), or no case has another candidate"
        return row
    deleted = about.runs.of(method, ABSENT)
    pairs = [
        (one.p_absent, rankings[place].p_absent, one.abstains)
        for place, one in zip(about.absent_places, deleted, strict=True)
    ]
    complete = [(a, p, abstains) for a, p, abstains in pairs if a is not None and p is not None]
    absent, present, abstained = (np.array(column, float) for column in zip(*complete, strict=True))
    return row | {
        "abstained_absent": round(float(abstained.mean()), 4),
        "absent_auc": round(area_under_curve(absent, present), 4),
        "n_absent": len(complete),
    }
