"""Ranks candidate lists of groups by their evidence, as `fused` does in the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from models_ml.evaluate.cases import Case
from models_ml.evaluate.groups import Group
from models_ml.evaluate.methods.context import MethodContext
from models_ml.evaluate.methods.group_evidence import EvidenceList, GroupEvidence
from models_ml.evaluate.methods.model_methods import LEAST_PROBABILITY
from models_ml.evaluate.ranking import Floats, Ranking, rank_shortlist
from models_ml.ranking.features import ListEvidence, without_channel
from models_ml.ranking.fuse import DECIMALS, confidence_of
from models_ml.ranking.pool import Probabilities, pool_probabilities

LISTS_PER_CALL = 512

Pool = Callable[[Sequence[Probabilities]], Probabilities]


def group_rankings(
    groups: Sequence[Group],
    evidence: Sequence[GroupEvidence],
    context: MethodContext,
    *,
    without: str = "",
    pool: Pool = pool_probabilities,
) -> list[Ranking]:
    """One ranking for each group, by all members. `without`: a channel to leave out."""
    by_member = member_probabilities([one.together for one in evidence], context, without)
    return pooled_rankings(groups, evidence, by_member, context, pool)


def pooled_rankings(
    groups: Sequence[Group],
    evidence: Sequence[GroupEvidence],
    by_member: Sequence[Sequence[Probabilities]],
    context: MethodContext,
    pool: Pool,
) -> list[Ranking]:
    """As `group_rankings`, with the result of `member_probabilities`, so that rules share it."""
    cases = [replace(group.cases[group.representative], keys=group.keys) for group in groups]
    return _ranked([one.together for one in evidence], cases, by_member, context, pool)


def single_rankings(
    groups: Sequence[Group], evidence: Sequence[GroupEvidence], context: MethodContext, *, without: str = ""
) -> list[Ranking]:
    """One ranking for each spectrum alone, group by group."""
    lists = [alone for one in evidence for alone in one.alone]
    cases = [case for group in groups for case in group.cases]
    return _ranked(lists, cases, member_probabilities(lists, context, without), context, pool_probabilities)


def member_probabilities(
    lists: Sequence[EvidenceList], context: MethodContext, without: str = ""
) -> list[list[Probabilities]]:
    """Probabilities (C + 1,) by each spectrum of each list."""
    flat = [one if not without else without_channel(one, without) for each in lists for one in each.evidence]
    found = _probabilities(flat, context)
    return [[next(found) for _ in each.evidence] for each in lists]


def without_truths(
    groups: Sequence[Group], evidence: Sequence[GroupEvidence], context: MethodContext
) -> tuple[list[int], list[GroupEvidence]]:
    """The evidence with the truth deleted from every list, and the indices of the groups.

    Groups in which a list lacks the truth, or has no other candidate, are left out.
    """
    indices: list[int] = []
    deleted: list[GroupEvidence] = []
    for index, (group, one) in enumerate(zip(groups, evidence, strict=True)):
        truth = context.truth(group.cases[0])
        kept = [each.keys != truth for each in (one.together, *one.alone)]
        if all(mask.any() and not mask.all() for mask in kept):
            indices.append(index)
            alone = tuple(each.only(mask) for each, mask in zip(one.alone, kept[1:], strict=True))
            deleted.append(GroupEvidence(one.together.only(kept[0]), alone))
    return indices, deleted


def mean_by_group(values: Floats, groups: Sequence[Group]) -> Floats:
    """Values of all spectra, group by group, to the mean of each group."""
    ends = np.cumsum([len(group.cases) for group in groups])[:-1]
    return np.array([part.mean() for part in np.split(values, ends)])


def _ranked(
    lists: Sequence[EvidenceList],
    cases: Sequence[Case],
    by_member: Sequence[Sequence[Probabilities]],
    context: MethodContext,
    pool: Pool,
) -> list[Ranking]:
    return [
        _ranking(case, each.keys.tolist(), pool(members).round(DECIMALS), context)
        for case, each, members in zip(cases, lists, by_member, strict=True)
    ]


def _probabilities(evidence: Sequence[ListEvidence], context: MethodContext) -> Iterator[Probabilities]:
    ranking = context.model.ranking
    if ranking is None:
        raise ValueError("Groups are ranked by `fused`, and this checkpoint has no fused ranking.")
    for start in range(0, len(evidence), LISTS_PER_CALL):
        yield from ranking.probabilities(evidence[start : start + LISTS_PER_CALL])


def _ranking(
    case: Case, keys: Sequence[int], probabilities: Probabilities, context: MethodContext
) -> Ranking:
    order = sorted(range(len(keys)), key=lambda index: (-float(probabilities[index]), index))
    listed = np.array([keys[index] for index in order], np.int64)
    scores = np.log(np.maximum(probabilities[order], LEAST_PROBABILITY))
    fingerprints = context.library.fingerprints[np.array(keys, np.int64)]
    confidence = confidence_of(fingerprints, probabilities, first=order[0])
    return replace(
        rank_shortlist(listed, scores, case.keys, context.truth(case)),
        p_right=confidence.p_right,
        p_close=confidence.p_close,
        p_absent=confidence.p_absent,
        abstains=confidence.abstains,
    )
