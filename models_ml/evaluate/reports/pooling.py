"""Compares rules that pool the members of a feature, on groups of validation spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from models_ml.evaluate.groups import Group, group_cases
from models_ml.evaluate.measures.calibration import (
    area_under_curve,
    expected_calibration_error,
    reliability,
)
from models_ml.evaluate.measures.rank_metrics import per_spectrum
from models_ml.evaluate.methods.context import MethodContext
from models_ml.evaluate.methods.group_evidence import GroupEvidence, collect_groups
from models_ml.evaluate.methods.group_ranking import (
    Pool,
    group_rankings,
    mean_by_group,
    single_rankings,
    without_truths,
)
from models_ml.evaluate.ranking import Floats, Ranking
from models_ml.evaluate.reports.evaluation import EvaluationData, Options, method_context
from models_ml.evaluate.reports.grouped import REFERENCE_CHANNEL
from models_ml.evaluate.reports.markdown import table
from models_ml.inference.checkpoint import GlmrModel
from models_ml.ranking.pool import LEAST, Probabilities, pool_probabilities

LEAST_P_TRUTH = 1e-4  # a truth without probability would make the mean infinite


def arithmetic_mean(members: Sequence[Probabilities]) -> Probabilities:
    mean: Probabilities = np.stack(members).mean(axis=0)
    return mean


def geometric_mean(members: Sequence[Probabilities]) -> Probabilities:
    """With "none of these" as one more candidate."""
    mean = np.log(np.maximum(np.stack(members), LEAST)).mean(axis=0)
    weights: Probabilities = np.exp(mean - mean.max())
    pooled: Probabilities = weights / weights.sum()
    return pooled


RULES: Mapping[str, Pool] = {
    "arithmetic mean": arithmetic_mean,
    "geometric mean": geometric_mean,
    **{f"exponent {a:g}": partial(pool_probabilities, exponent=a) for a in (1.0, 0.9, 0.8, 0.5, 0.2, 0.0)},
}


def compare_rules(data: EvaluationData, options: Options, model: GlmrModel) -> str:
    """Markdown, one row for each rule; with references also a table without them.

    Only groups of two and more spectra are pooled, so only they count.
    """
    context, _, _ = method_context(data, options, model)
    all_groups = group_cases(data.cases)
    collected = collect_groups(all_groups, context, options.cache, "groups")
    chosen = [
        (group, evidence)
        for group, evidence in zip(all_groups, collected, strict=True)
        if len(group.cases) > 1
    ]
    if not chosen:
        raise ValueError("no group has two spectra, so there is nothing to pool.")
    groups, evidence = [group for group, _ in chosen], [one for _, one in chosen]
    parts = [f"{len(groups):,} groups of two and more spectra, `{data.source['spectra']}`"]
    variants = [""] if context.references is None else ["", REFERENCE_CHANNEL]
    for without in variants:
        name = f"`fused` without {without}" if without else "`fused`"
        parts.append(f"## {name}\n\n" + _table(groups, evidence, context, without))
    return "\n\n".join(parts)


def _table(
    groups: Sequence[Group], evidence: Sequence[GroupEvidence], context: MethodContext, without: str
) -> str:
    indices, deleted = without_truths(groups, evidence, context)
    absent_groups = [groups[index] for index in indices]
    alone = per_spectrum(single_rankings(groups, evidence, context, without=without))["hit@1"]
    rows = [["single spectra", f"{mean_by_group(alone, groups).mean():.4f}", "–", "–", "–"]]
    for name, pool in RULES.items():
        rankings = group_rankings(groups, evidence, context, without=without, pool=pool)
        absent = group_rankings(absent_groups, deleted, context, without=without, pool=pool)
        present = [rankings[index] for index in indices]
        rows.append([name, *_measures(rankings), _auc(absent, present)])
    return table(["rule", "hit@1", "-ln p(truth)", "ECE", "AUC of absence"], rows)


def _measures(rankings: Sequence[Ranking]) -> list[str]:
    hit = per_spectrum(rankings)["hit@1"]
    bins = reliability(np.array([ranking.p_right for ranking in rankings], float), hit)
    surprise = -np.log(np.maximum(_p_truth(rankings), LEAST_P_TRUTH))
    return [f"{hit.mean():.4f}", f"{surprise.mean():.4f}", f"{expected_calibration_error(bins):.4f}"]


def _p_truth(rankings: Sequence[Ranking]) -> Floats:
    """The stated probability of the truth; of "none of these" if it is no candidate."""
    return np.array(
        [
            np.exp(ranking.truth_score) if ranking.truth_is_candidate else ranking.p_absent or 0.0
            for ranking in rankings
        ]
    )


def _auc(absent: Sequence[Ranking], present: Sequence[Ranking]) -> str:
    if not absent:
        return "–"
    columns = [np.array([ranking.p_absent for ranking in each], float) for each in (absent, present)]
    return f"{area_under_curve(*columns):.3f}"
