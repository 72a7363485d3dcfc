"""Evaluates groups of spectra as features, beside the mean over the same spectra one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_ml.evaluate.cases import Case, remove_peaks
from models_ml.evaluate.groups import GROUPED_BY, Group, exchange_groups, group_cases
from models_ml.evaluate.measures.calibration import (
    accuracy_at_coverage,
    area_under_curve,
    expected_calibration_error,
    reliability,
)
from models_ml.evaluate.measures.rank_metrics import per_spectrum, tanimoto_at_1
from models_ml.evaluate.measures.resampling import Resampling
from models_ml.evaluate.methods.context import MethodContext
from models_ml.evaluate.methods.group_evidence import GroupEvidence, collect_groups
from models_ml.evaluate.methods.group_ranking import (
    group_rankings,
    mean_by_group,
    single_rankings,
    without_truths,
)
from models_ml.evaluate.methods.registry import FUSED
from models_ml.evaluate.methods.runs import Twin, blind_context, load_twin
from models_ml.evaluate.ranking import Floats, Ranking
from models_ml.evaluate.reports.evaluation import (
    EvaluationData,
    Options,
    about_references,
    identity,
    method_context,
)
from models_ml.evaluate.reports.method_metrics import COVERAGE, closeness_error
from models_ml.inference.checkpoint import GlmrModel

SINGLE = ", single spectra"  # suffix of the row of the same spectra one by one
# Without this channel, `fused` ranks as it does without reference spectra.
REFERENCE_CHANNEL = "analogs"
MEMBER_STRATA = {"1": (1, 1), "2": (2, 2), "3-4": (3, 4), "5+": (5, None), "2+": (2, None)}


@dataclass(frozen=True, slots=True, eq=False)
class GroupData:
    """The groups with the evidence of the model, of the shuffled control and of the blind twin."""

    groups: Sequence[Group]
    evidence: Sequence[GroupEvidence]
    shuffled: Sequence[GroupEvidence]
    context: MethodContext
    blind: Sequence[GroupEvidence] | None  # None: there is no twin
    blind_context: MethodContext | None
    resampling: Resampling


def evaluate_groups(data: EvaluationData, options: Options, model: GlmrModel) -> dict[str, Any]:
    """The report. Rows of groups and of single spectra have one value for each group, so they are paired.

    With references there are two pairs of rows, `fused` and `fused-analogs`. The latter is `fused` without
    the channel `analogs`, which is `fused` without references. Raises ValueError without any group.
    """
    groups = group_cases(data.cases)
    if not groups:
        raise ValueError("no spectrum has candidates, so there is no group to evaluate.")
    context, n_excluded, _ = method_context(data, options, model)
    twin = load_twin(model, options.blind)
    group_data = _collect(groups, context, twin, options)
    report: dict[str, Any] = {
        **data.source,
        "protocol": f"{data.source['protocol']}, grouped",
        "grouped_by": GROUPED_BY,
        "n_library": len(data.library),
        "checkpoint": {"name": model.name, "sha256": model.sha256},
        "blind_checkpoint": identity(twin),
        "references": about_references(options, context.references, n_excluded),
        "limit": options.limit,
        "seed": options.seed,
        "n_candidates": options.n_candidates,
        "main_method": FUSED,
        "n_members": _sizes(groups),
        "methods": {},
        "differences": {},
    }
    variants = {FUSED: ""}
    if context.references is not None:
        variants[f"{FUSED}-{REFERENCE_CHANNEL}"] = REFERENCE_CHANNEL
    for name, without in variants.items():
        rows, difference = _measure(group_data, without)
        report["methods"][name], report["methods"][name + SINGLE] = rows
        report["differences"][name] = difference
    return report


def _collect(
    groups: Sequence[Group], context: MethodContext, twin: Twin | None, options: Options
) -> GroupData:
    blind, of_twin = None, None
    if twin is not None:
        of_twin = blind_context(context, twin)
        without_peaks = [replace(group, cases=tuple(remove_peaks(group.cases))) for group in groups]
        blind = collect_groups(without_peaks, of_twin, None, "blind")
    return GroupData(
        groups=groups,
        evidence=collect_groups(groups, context, options.cache, "groups"),
        shuffled=collect_groups(exchange_groups(groups), context, options.cache, "shuffled"),
        context=context,
        blind=blind,
        blind_context=of_twin,
        resampling=Resampling([group.compound for group in groups], seed=options.seed),
    )


def _measure(data: GroupData, without: str) -> tuple[tuple[dict[str, Any], dict[str, Any]], dict[str, Any]]:
    """The rows of the groups and of their single spectra, and their differences by number of members."""
    groups, context = data.groups, data.context
    together = group_rankings(groups, data.evidence, context, without=without)
    alone = single_rankings(groups, data.evidence, context, without=without)
    values = _values(together, groups, context, is_grouped=True)
    values_alone = _values(alone, groups, context, is_grouped=False)
    _add_controls(values, values_alone, data, without)
    values["gain@1"] = difference = values["hit@1"] - values_alone["hit@1"]
    rows = (
        _row(values, together, data, is_grouped=True) | _absence(data, together, without, is_grouped=True),
        _row(values_alone, alone, data, is_grouped=False) | _absence(data, alone, without, is_grouped=False),
    )
    strata = {"all": _stratum(difference, values, values_alone, together, np.arange(len(groups)), data)}
    sizes = np.array([len(group.cases) for group in groups])
    for name, (low, high) in MEMBER_STRATA.items():
        inside = np.flatnonzero((sizes >= low) & (sizes <= (high or sizes.max())))
        if len(inside):
            strata[name] = _stratum(difference, values, values_alone, together, inside, data)
    return rows, strata


def _values(
    rankings: Sequence[Ranking], groups: Sequence[Group], context: MethodContext, *, is_grouped: bool
) -> dict[str, Floats]:
    """Rank metrics, one value for each group: (G,)."""
    cases = _cases(groups, is_grouped=is_grouped)
    values = per_spectrum(rankings) | {"tanimoto@1": tanimoto_at_1(rankings, cases, context.library)}
    return values if is_grouped else {name: mean_by_group(value, groups) for name, value in values.items()}


def _add_controls(
    values: dict[str, Floats], values_alone: dict[str, Floats], data: GroupData, without: str
) -> None:
    groups, context = data.groups, data.context
    shuffled = group_rankings(groups, data.shuffled, context, without=without)
    alone = single_rankings(groups, data.shuffled, context, without=without)
    values["shuffled_hit@1"] = per_spectrum(shuffled)["hit@1"]
    values_alone["shuffled_hit@1"] = mean_by_group(per_spectrum(alone)["hit@1"], groups)
    if data.blind is not None and data.blind_context is not None:
        blind = group_rankings(groups, data.blind, data.blind_context)
        blind_alone = single_rankings(groups, data.blind, data.blind_context)
        values["blind_hit@1"] = per_spectrum(blind)["hit@1"]
        values_alone["blind_hit@1"] = mean_by_group(per_spectrum(blind_alone)["hit@1"], groups)
        for row in (values, values_alone):
            row["lift@1"] = row["hit@1"] - row["blind_hit@1"]


def _row(
    values: Mapping[str, Floats], rankings: Sequence[Ranking], data: GroupData, *, is_grouped: bool
) -> dict[str, Any]:
    """`rankings`: of the groups, or of the single spectra. Calibration counts each of them once."""
    hit = per_spectrum(rankings)["hit@1"]
    confidence = _p_right(rankings)
    bins = reliability(confidence, hit)
    cases = _cases(data.groups, is_grouped=is_grouped)
    return data.resampling.summary(values) | {
        "ece": round(expected_calibration_error(bins), 4),
        "ece_close": closeness_error(rankings, tanimoto_at_1(rankings, cases, data.context.library)),
        f"accuracy@{COVERAGE:.0%}": round(accuracy_at_coverage(confidence, hit, COVERAGE), 4),
        "confidence_from": "the method",
        "reliability": [asdict(bin_) for bin_ in bins],
        "n_groups": len(data.groups),
        "n_spectra": sum(len(group.cases) for group in data.groups),
        "n_compounds": data.resampling.n_compounds,
    }


def _absence(
    data: GroupData, rankings: Sequence[Ranking], without: str, *, is_grouped: bool
) -> dict[str, Any]:
    """How often "none of these" is the answer, with the truth in the lists and with it deleted."""
    abstains = np.array([ranking.abstains for ranking in rankings], bool)
    first_is_right = np.array([ranking.rank <= 1 for ranking in rankings], float)
    row: dict[str, Any] = {"abstained": round(float(abstains.mean()), 4)}
    if abstains.any():
        row["abstained_right"] = round(float(first_is_right[abstains].mean()), 4)
    indices, evidence = without_truths(data.groups, data.evidence, data.context)
    if not indices:
        return row
    groups = [data.groups[index] for index in indices]
    rank = group_rankings if is_grouped else single_rankings
    deleted = rank(groups, evidence, data.context, without=without)
    present = rank(groups, [data.evidence[index] for index in indices], data.context, without=without)
    return row | {
        "abstained_absent": round(float(np.mean([ranking.abstains for ranking in deleted])), 4),
        "absent_auc": round(area_under_curve(_p_absent(deleted), _p_absent(present)), 4),
        "n_absent": len(deleted),
    }


def _stratum(
    difference: Floats,
    values: Mapping[str, Floats],
    values_alone: Mapping[str, Floats],
    rankings: Sequence[Ranking],
    inside: NDArray[np.int64],
    data: GroupData,
) -> dict[str, Any]:
    """Groups against single spectra, in the groups `inside`."""
    compounds = [data.groups[index].compound for index in inside]
    resampling = Resampling(compounds, seed=0)
    bins = reliability(_p_right([rankings[index] for index in inside]), values["hit@1"][inside])
    return {
        "n_groups": len(inside),
        "n_spectra": sum(len(data.groups[index].cases) for index in inside),
        "n_compounds": resampling.n_compounds,
        "hit@1": round(float(values["hit@1"][inside].mean()), 4),
        "single_hit@1": round(float(values_alone["hit@1"][inside].mean()), 4),
        "difference": round(float(difference[inside].mean()), 4),
        "ci95": resampling.interval(difference[inside]),
        "ece": round(expected_calibration_error(bins), 4),
    }


def _cases(groups: Sequence[Group], *, is_grouped: bool) -> list[Case]:
    return [case for group in groups for case in (group.cases[:1] if is_grouped else group.cases)]


def _p_right(rankings: Sequence[Ranking]) -> Floats:
    return np.array([ranking.p_right for ranking in rankings], float)


def _p_absent(rankings: Sequence[Ranking]) -> Floats:
    return np.array([ranking.p_absent for ranking in rankings], float)


def _sizes(groups: Sequence[Group]) -> dict[str, int]:
    sizes = np.array([len(group.cases) for group in groups])
    return {
        "1": int((sizes == 1).sum()),
        "2": int((sizes == 2).sum()),
        "3-4": int(((sizes >= 3) & (sizes <= 4)).sum()),
        "5+": int((sizes >= 5).sum()),
    }
