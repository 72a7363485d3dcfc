"""The evidence for one candidate as the page shows it: each channel's label, value and position.

The definitions of the channels are in docs/glossary.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from annotation.results.channels import current_names
from annotation.results.models import Candidate


@dataclass(frozen=True)
class Channel:
    name: str  # the column of `Candidate`, or the key in its `evidence`
    label: str
    help: str


# Columns of `Candidate`: both methods give them.
SIMILARITIES = (
    Channel(
        "embedding_similarity",
        "Spectrum similarity",
        "Cosine of the spectrum and the candidate in the model's embedding space. "
        "It orders the pre-retrieval. Uncalibrated.",
    ),
    Channel(
        "generated_similarity",
        "Generated similarity",
        "Cosine of the candidate and the molecules that the model generated from the spectrum. Uncalibrated.",
    ),
)
# Channels of the `fused` method. The page lists them also where they have no value.
FUSED_CHANNELS = (
    Channel(
        "fingerprint",
        "Fingerprint",
        "How well the candidate's substructures match those that a network predicts from the peaks.",
    ),
    Channel(
        "analogs",
        "Analog spectra",
        "Similarity of the candidate to the molecules of the most similar reference spectra. "
        "It has no value without reference spectra.",
    ),
    Channel(
        "fragments",
        "Fragments",
        "How well the candidate's fragments match the peaks, by the bonds that break and by the mass errors.",
    ),
    Channel(
        "predicted",
        "Predicted peaks",
        "How well the spectrum matches the peaks that a trained fragmentation model predicts for the "
        "candidate. Missing peaks count too.",
    ),
    Channel(
        "fragment_coverage",
        "Fragment coverage",
        "Share of the square-root intensity of the 32 strongest peaks that fragments of the candidate "
        "explain, from 0 to 1. “Intensity explained” beside the plot is another number: it takes all peaks "
        "and raw intensities.",
    ),
)
# Listed only where a candidate has a value.
OPTIONAL_CHANNELS = (
    Channel(
        "likelihood",
        "Likelihood",
        "Logarithm of the language model's probability for the candidate, given the spectrum. Below 0.",
    ),
)


@dataclass(frozen=True)
class EvidenceRow:
    """One channel's value for one candidate, and its position among all candidates."""

    channel: Channel
    value: float | None  # None: the channel has no value for this candidate
    position: int | None  # 1: no other candidate has a larger value
    n_values: int  # candidates for which the channel has a value
    share: float | None = None  # place of the value between the smallest (0) and the largest (1) of the list

    @property
    def is_best(self) -> bool:
        return self.position == 1 and self.n_values > 1


def evidence_table(
    candidates: Sequence[Candidate], by_member: Mapping[int, Mapping[str, float]] | None = None
) -> dict[int, list[EvidenceRow]]:
    """Every channel that the method knows, for each candidate by its rank. No query.

    `by_member`: the values of one spectrum of the feature, by rank, in place of those of the feature.
    """
    values: dict[int, Mapping[str, float | None]] = {
        candidate.rank: _values(candidate) if by_member is None else dict(by_member.get(candidate.rank, {}))
        for candidate in candidates
    }
    channels = list_channels(candidates)
    all_values = {channel: [v.get(channel.name) for v in values.values()] for channel in channels}
    return {
        rank: [_row(channel, of_rank.get(channel.name), all_values[channel]) for channel in channels]
        for rank, of_rank in values.items()
    }


def list_channels(candidates: Sequence[Candidate]) -> list[Channel]:
    """The similarities, then the channels of the fused method, then channels that have no label here."""
    names = {name for candidate in candidates for name in current_names(candidate.evidence)}
    is_fused = bool(names) or any(candidate.probability is not None for candidate in candidates)
    labelled = [
        *SIMILARITIES,
        *(FUSED_CHANNELS if is_fused else ()),
        *(channel for channel in OPTIONAL_CHANNELS if channel.name in names),
    ]
    unlabelled = sorted(names - {channel.name for channel in labelled})
    return labelled + [Channel(name, name.replace("_", " ").capitalize(), "") for name in unlabelled]


def _values(candidate: Candidate) -> Mapping[str, float | None]:
    return {
        "embedding_similarity": candidate.embedding_similarity,
        "generated_similarity": candidate.generated_similarity,
        **current_names(candidate.evidence),
    }


def _row(channel: Channel, value: float | None, all_values: Sequence[float | None]) -> EvidenceRow:
    given = [other for other in all_values if other is not None]
    if value is None:
        return EvidenceRow(channel, None, None, len(given))
    low, high = min(given), max(given)
    share = (value - low) / (high - low) if high > low else None
    return EvidenceRow(channel, value, 1 + sum(other > value for other in given), len(given), share)
