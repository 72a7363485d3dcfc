"""Families: isomers in one list that the evidence does not tell apart.

The rule stands here only. A candidate belongs to the family of a better one that is first of its family, if

- both have the same formula,
- their fingerprints have a Tanimoto similarity of at least 0.45,
- and its probability is at least half of the other's: the evidence prefers neither by more than 2 to 1.

Without probabilities (method `glmr`) there are no families.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from annotation.results.models import Candidate
from models_ml.molecules.fingerprint import bulk_tanimoto, fingerprint_matrix

MIN_TANIMOTO = 0.45  # a methyl group at another place of a benzene ring: 0.5 to 0.7
MIN_SHARE = 0.5  # of the probability of the first
# Nobody weighs candidates below it, and nearly all of them are within a factor of two of each other.
MIN_PROBABILITY = 0.01


@dataclass(frozen=True, slots=True)
class Family:
    first_rank: int
    ranks: tuple[int, ...]  # two at least, ascending

    @property
    def help(self) -> str:
        ranks = ", ".join(str(rank) for rank in self.ranks)
        return (
            f"Ranks {ranks} are similar isomers (Tanimoto similarity to the first at least {MIN_TANIMOTO}). "
            "None is less than half as probable as the first: the spectrum does not tell them apart."
        )


def find_families(candidates: Sequence[Candidate]) -> dict[int, Family]:
    """The family of each candidate that has one, by rank. Needs the molecules with fingerprints. No query."""
    waiting = [candidate for candidate in candidates if (candidate.probability or 0.0) >= MIN_PROBABILITY]
    families: dict[int, Family] = {}
    while waiting:
        first, *others = waiting
        members = [first, *_like(first, others)]
        if len(members) > 1:
            family = Family(first.rank, tuple(member.rank for member in members))
            families |= dict.fromkeys(family.ranks, family)
        waiting = [candidate for candidate in others if candidate not in members]
    return families


def _like(first: Candidate, others: Sequence[Candidate]) -> list[Candidate]:
    least = MIN_SHARE * (first.probability or 0.0)
    isomers = [
        other
        for other in others
        if other.molecule.formula == first.molecule.formula and (other.probability or 0.0) >= least
    ]
    if not isomers:
        return []
    fingerprints = fingerprint_matrix([bytes(other.molecule.fingerprint) for other in isomers])
    similarity = bulk_tanimoto(bytes(first.molecule.fingerprint), fingerprints)
    return [other for other, value in zip(isomers, similarity, strict=True) if value >= MIN_TANIMOTO]
