"""Compares rules that pool the members of a feature, on validation groups, and fits the sharpening."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    mean_by_group,
    member_probabilities,
    pooled_rankings,
    single_rankings,
    without_truths,
)
from models_ml.evaluate.ranking import Floats, Ranking
from models_ml.evaluate.reports.evaluation import EvaluationData, Options, method_context
from models_ml.evaluate.reports.grouped import REFERENCE_CHANNEL
from models_ml.evaluate.reports.markdown import table
from models_ml.inference.checkpoint import GlmrModel
from models_ml.ranking.pool import LEAST, SHARPENING, Probabilities, pool_probabilities

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
    **{
        f"exponent {exponent:g}": partial(pool_probabilities, exponent=exponent, sharpening=0.0)
        for exponent in (1.0, 0.9, 0.8, 0.5, 0.2, 0.0)
    },
    f"in use: sharpening {SHARPENING:g}": pool_probabilities,
}
SHARPENINGS = tuple(round(0.1 * step, 1) for step in range(16))
N_FOLDS = 5  # of compounds, for the cross-validation of the sharpening


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
    fits: list[SharpeningFit] = []
    for without in variants:
        name = f"`fused` without {without}" if without else "`fused`"
        by_member = member_probabilities([one.together for one in evidence], context, without)
        parts.append(f"## {name}\n\n" + _table(groups, evidence, by_member, context, without))
        fits.append(_try_sharpenings(groups, evidence, by_member, context))
    parts.append("## Sharpening\n\n" + _fitted([group.compound for group in groups], fits, options.seed))
    parts.append("## Candidate lists\n\n" + _candidate_lists(groups, evidence, context))
    return "\n\n".join(parts)


@dataclass(frozen=True, slots=True, eq=False)
class SharpeningFit:
    """Values of all groups by each of SHARPENINGS, (S, G)."""

    surprise: Floats  # -ln p(truth)
    p_right: Floats
    hit: Floats


def _try_sharpenings(
    groups: Sequence[Group],
    evidence: Sequence[GroupEvidence],
    by_member: Sequence[Sequence[Probabilities]],
    context: MethodContext,
) -> SharpeningFit:
    tried = [
        pooled_rankings(
            groups, evidence, by_member, context, partial(pool_probabilities, sharpening=sharpening)
        )
        for sharpening in SHARPENINGS
    ]
    return SharpeningFit(
        surprise=np.stack([_surprise(rankings) for rankings in tried]),
        p_right=np.array([[ranking.p_right for ranking in rankings] for rankings in tried], float),
        hit=np.stack([per_spectrum(rankings)["hit@1"] for rankings in tried]),
    )


def _fitted(compounds: Sequence[str], fits: Sequence[SharpeningFit], seed: int) -> str:
    """The sharpening with the least mean -ln p(truth), one for all variants, and its cross-validation.

    Each fold of compounds is measured with the sharpening that the other folds choose.
    """
    surprise = np.mean([fit.surprise for fit in fits], axis=0)
    best = int(surprise.mean(axis=1).argmin())
    names, compound = np.unique(list(compounds), return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(len(names)) % N_FOLDS)[compound]
    chosen = np.array([int(surprise[:, fold != number].mean(axis=1).argmin()) for number in range(N_FOLDS)])
    columns = np.arange(len(fold))
    rows = []
    for name, row in (
        ("none", np.zeros(len(fold), np.int64)),
        (f"fitted: {SHARPENINGS[best]:g}", np.full(len(fold), best)),
        ("cross-validated: " + ", ".join(f"{SHARPENINGS[index]:g}" for index in chosen), chosen[fold]),
    ):
        errors = [
            expected_calibration_error(reliability(fit.p_right[row, columns], fit.hit[row, columns]))
            for fit in fits
        ]
        rows.append([name, f"{surprise[row, columns].mean():.4f}", " / ".join(f"{e:.4f}" for e in errors)])
    return table(["sharpening", "-ln p(truth)", "ECE of each variant"], rows)


def _candidate_lists(
    groups: Sequence[Group], evidence: Sequence[GroupEvidence], context: MethodContext
) -> str:
    """Whether the lists that the members retrieve themselves hold more than the list of the pooled query."""
    pooled_with_truth = union_with_truth = different = 0
    for group, one in zip(groups, evidence, strict=True):
        truth = context.truth(group.cases[0])
        pooled = set(one.together.keys.tolist())
        union = pooled.union(*(alone.keys.tolist() for alone in one.alone))
        different += union != pooled
        pooled_with_truth += truth in pooled
        union_with_truth += truth in union
    return (
        f"The union of the members' lists differs from the list of the pooled query for {different:,} of "
        f"{len(groups):,} groups. The truth is in {union_with_truth:,} unions and in {pooled_with_truth:,} "
        "pooled lists."
    )


def _table(
    groups: Sequence[Group],
    evidence: Sequence[GroupEvidence],
    by_member: Sequence[Sequence[Probabilities]],
    context: MethodContext,
    without: str,
) -> str:
    indices, deleted = without_truths(groups, evidence, context)
    absent_groups = [groups[index] for index in indices]
    absent_by_member = member_probabilities([one.together for one in deleted], context, without)
    alone = per_spectrum(single_rankings(groups, evidence, context, without=without))["hit@1"]
    rows = [["single spectra", f"{mean_by_group(alone, groups).mean():.4f}", "–", "–", "–"]]
    for name, pool in RULES.items():
        rankings = pooled_rankings(groups, evidence, by_member, context, pool)
        absent = pooled_rankings(absent_groups, deleted, absent_by_member, context, pool)
        present = [rankings[index] for index in indices]
        rows.append([name, *_measures(rankings), _auc(absent, present)])
    return table(["rule", "hit@1", "-ln p(truth)", "ECE", "AUC of absence"], rows)


def _measures(rankings: Sequence[Ranking]) -> list[str]:
    hit = per_spectrum(rankings)["hit@1"]
    bins = reliability(np.array([ranking.p_right for ranking in rankings], float), hit)
    surprise = _surprise(rankings).mean()
    return [f"{hit.mean():.4f}", f"{surprise:.4f}", f"{expected_calibration_error(bins):.4f}"]


def _surprise(rankings: Sequence[Ranking]) -> Floats:
    """-ln p(truth) of each ranking."""
    surprise: Floats = -np.log(np.maximum(_p_truth(rankings), LEAST_P_TRUTH))
    return surprise


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
