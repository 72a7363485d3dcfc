"""Candidates that no score tells apart. Their order among each other means nothing."""

from __future__ import annotations

from collections.abc import Sequence

from annotation.results.view import CandidateView


def deciding_score(candidate: CandidateView) -> float:
    """The score that ranked: the probability, else the generated similarity, else that of the embeddings.

    `results.load` has the same rule for the database.
    """
    if candidate.probability is not None:
        return candidate.probability
    if candidate.generated_similarity is not None:
        return candidate.generated_similarity
    return candidate.embedding_similarity


def n_tied(candidate: CandidateView, candidates: Sequence[CandidateView]) -> int:
    """How many others of the list have the same score."""
    score = deciding_score(candidate)
    return sum(deciding_score(other) == score for other in candidates) - 1
