"""What each channel of evidence says of a candidate, in plain words: for people, not for ranking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from annotation.results.models import Candidate


@dataclass(frozen=True)
class Channel:
    name: str  # as results store it
    label: str
    help: str


# Two similarities are columns of their own; the others are what the fused method adds.
SIMILARITIES = (
    Channel(
        "embedding_similarity",
        "Spectrum similarity",
        "Contrastive: cosine of spectrum and candidate in the model's space. It decides the order of the "
        "pre-retrieval. Uncalibrated.",
    ),
    Channel(
        "generated_similarity",
        "Generated similarity",
        "Cosine of the candidate and the molecules that the model wrote from the spectrum. Uncalibrated.",
    ),
)
# Those of the fused method, which are named also where they have nothing to say of a spectrum.
FURTHER = (
    Channel(
        "fingerprint",
        "Fingerprint",
        "How well the candidate's substructures fit those that a network reads from the peaks.",
    ),
    Channel(
        "analogs",
        "Analog spectra",
        "How alike the candidate is to the molecules of the most similar reference spectra. "
        "Not given without reference spectra.",
    ),
    Channel(
        "fragments",
        "Fragments",
        "How well the candidate's fragments fit the peaks: which bonds break, how precisely the masses fit.",
    ),
    Channel(
        "predicted",
        "Predicted peaks",
        "How well the spectrum fits the peaks that a learnt model of fragmentation expects of the candidate, "
        "with those that are missing counted too.",
    ),
    Channel(
        "explained",
        "Intensity explained",
        "Share of the spectrum's intensity that fits a fragment of the candidate: 1 is all of it.",
    ),
)
OTHERS = (
    Channel(
        "likelihood",
        "Likelihood",
        "How likely the language model finds the candidate, given the spectrum: a logarithm, so below 0.",
    ),
)


@dataclass(frozen=True)
class EvidenceRow:
    """One channel's word on one candidate. `value` is None where the channel had nothing to say."""

    label: str
    help: str
    value: float | None
    place: int | None  # 1: no other candidate has a better value in this channel
    n_told: int  # candidates of which the channel said something

    @property
    def is_best(self) -> bool:
        return self.place == 1 and self.n_told > 1


def evidence_rows(candidate: Candidate, candidates: Sequence[Candidate]) -> list[EvidenceRow]:
    """Every channel, with the candidate's place among all. No query."""
    told = {one.pk: _values(one) for one in candidates}
    return [_row(channel, told[candidate.pk], list(told.values())) for channel in _channels(candidates)]


def _channels(candidates: Sequence[Candidate]) -> Iterator[Channel]:
    """Those that the method knows: the two similarities, then the fused method's, unknown ones by name."""
    yield from SIMILARITIES
    names = {name for one in candidates for name in one.evidence}
    if names or any(one.probability is not None for one in candidates):
        yield from FURTHER
    yield from (channel for channel in OTHERS if channel.name in names)
    known = {channel.name for channel in (*SIMILARITIES, *FURTHER, *OTHERS)}
    for name in sorted(names - known):
        yield Channel(name, name.replace("_", " ").capitalize(), "")


def _values(candidate: Candidate) -> Mapping[str, float | None]:
    similarities: dict[str, float | None] = {
        "embedding_similarity": candidate.embedding_similarity,
        "generated_similarity": candidate.generated_similarity,
    }
    further: dict[str, float] = candidate.evidence
    return similarities | further


def _row(
    channel: Channel, own: Mapping[str, float | None], everyone: Sequence[Mapping[str, float | None]]
) -> EvidenceRow:
    value = own.get(channel.name)
    told = [other for one in everyone if (other := one.get(channel.name)) is not None]
    place = None if value is None else 1 + sum(other > value for other in told)
    return EvidenceRow(channel.label, channel.help, value, place, len(told))
