"""Converts the channels' raw values of one candidate list into the input of the ranker. Plain numpy.

Channels: docs/glossary.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models_ml.evidence.analog_votes import N_STRENGTHS, N_VOTES, AnalogVotes

Scores = NDArray[np.float32]

# The precursor's mass error is not a channel on purpose: public records often contain the theoretical m/z, so
# there it would reveal the formula (blind hit@1 54.7 instead of 39 % in a trial), and mislead elsewhere.
CHANNELS = ("fingerprint", "contrastive", "fragments", "predicted", "analogs")
_WIDTHS = {
    "fingerprint": 2,
    "contrastive": 3,
    "fragments": 6,
    "predicted": 5,
    "analogs": 2 * N_VOTES + N_STRENGTHS + 1,
}
N_NUMBERS = sum(_WIDTHS.values()) + 1
N_LIST_NUMBERS = 9


@dataclass(frozen=True, slots=True, eq=False)
class ListEvidence:
    """Raw values of each channel for the C candidates of one spectrum. None: the channel has no value."""

    n_candidates: int  # C
    fingerprint: Scores | None = None  # (C,) log odds summed over the candidate's bits
    contrastive: Scores | None = None  # (C,) cosine
    fragments: Scores | None = None  # (C,) output of the fragment scorer
    unexplained: Scores | None = None  # (C,) 1 - fragment_coverage
    possible: Scores | None = None  # (C,) share of the intensity whose m/z fits some subformula
    predicted: Scores | None = None  # (C,) output of the scorer of predicted peaks
    likelihood: Scores | None = None  # (C,) mean log likelihood of the peaks under the predicted shares
    analogs: AnalogVotes | None = None


def without_channel(evidence: ListEvidence, channel: str) -> ListEvidence:
    """The evidence without one of CHANNELS. Raises ValueError for another name."""
    match channel:
        case "fingerprint":
            return replace(evidence, fingerprint=None)
        case "contrastive":
            return replace(evidence, contrastive=None)
        case "fragments":
            return replace(evidence, fragments=None, unexplained=None, possible=None)
        case "predicted":
            return replace(evidence, predicted=None, likelihood=None)
        case "analogs":
            return replace(evidence, analogs=None)
    raise ValueError(f"Unknown channel {channel!r}. Choose one of {', '.join(CHANNELS)}.")


def ranker_numbers(evidence: ListEvidence) -> tuple[Scores, Scores]:
    """Numbers of the candidates (C, N_NUMBERS) and of the whole list (N_LIST_NUMBERS,)."""
    n = evidence.n_candidates
    parts = {name: np.zeros((n, width), np.float32) for name, width in _WIDTHS.items()}
    if evidence.fingerprint is not None:
        parts["fingerprint"] = np.stack([_below(evidence.fingerprint) / 10, _z(evidence.fingerprint)], 1)
    if evidence.contrastive is not None:
        score = evidence.contrastive
        parts["contrastive"] = np.stack([score, 10 * _below(score), _z(score)], 1)
    if evidence.fragments is not None and evidence.unexplained is not None and evidence.possible is not None:
        parts["fragments"] = np.stack(
            [
                _below(evidence.fragments),
                _z(evidence.fragments),
                evidence.unexplained,
                5 * _below(-evidence.unexplained),
                evidence.possible,
                5 * _below(evidence.possible),
            ],
            axis=1,
        )
    if evidence.predicted is not None and evidence.likelihood is not None:
        score, likelihood = evidence.predicted, evidence.likelihood
        parts["predicted"] = np.stack(
            [_below(score), _z(score), likelihood / 4, _below(likelihood), _z(likelihood)], 1
        )
    if evidence.analogs is not None:
        votes = evidence.analogs.votes
        strengths = np.broadcast_to(evidence.analogs.strengths, (n, N_STRENGTHS))
        below = 5 * (votes - votes.max(axis=0))
        parts["analogs"] = np.concatenate([votes, below, strengths, np.ones((n, 1))], axis=1)
    numbers = np.concatenate([*parts.values(), np.full((n, 1), np.log(n) / 4)], axis=1).astype(np.float32)
    return numbers, _list_numbers(evidence, parts)


def _list_numbers(evidence: ListEvidence, parts: dict[str, NDArray[np.float32]]) -> Scores:
    """The best absolute value of each channel, (N_LIST_NUMBERS,): whether any candidate may be right."""
    return np.array(
        [
            np.log(evidence.n_candidates) / 4,
            parts["contrastive"][:, 0].max(),
            parts["fragments"][:, 2].min(),
            parts["fragments"][:, 4].max(),
            parts["predicted"][:, 2].max(),
            evidence.predicted.max() / 10 if evidence.predicted is not None else 0.0,
            parts["analogs"][:, 7].max() / 4,
            parts["analogs"][:, 2 * N_VOTES].max(),
            parts["analogs"][:, -1].max(),
        ],
        np.float32,
    )


def _below(scores: Scores) -> Scores:
    """Difference to the best, 0 or less."""
    below: Scores = scores - scores.max()
    return below


def _z(scores: Scores) -> Scores:
    z: Scores = (scores - scores.mean()) / (scores.std() + 1e-6)
    return z
