"""The fused ranking: the evidence of all channels, then probabilities and the order of candidates.

Channels and symbols: docs/glossary.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_ml.evidence.analog_votes import MAIN_VOTE, analog_votes
from models_ml.evidence.analogs import ReferenceIndex, tanimoto_matrix
from models_ml.evidence.fragments import explain_candidates, strongest_peaks
from models_ml.evidence.ion_shares import IonBatch
from models_ml.evidence.predicted_peaks import candidate_ions, spectrum_peaks
from models_ml.networks.fragment_intensity import PredictedPeaksScorer
from models_ml.networks.fragment_scorer import FragmentScorer
from models_ml.outcomes import Confidence, Embedding, MemberOutcome, RankedCandidate, Retrieved
from models_ml.ranking.features import ListEvidence, Scores, without_channel
from models_ml.ranking.fragment_evidence import add_fragment_channels
from models_ml.ranking.model import RankingModel
from models_ml.ranking.pool import Probabilities, pool_evidence, pool_probabilities
from models_ml.ranking.ranker import ABSENT_PRIOR, odds
from models_ml.spectra.precursor_window import PreparedSpectrum

CLOSE_TANIMOTO = 0.6
# Probabilities that agree to this many decimals are equal. Beyond it, float32 sums differ with the shape of
# the batch, and a rank must not depend on the rest of the batch.
DECIMALS = 4
EVIDENCE_DECIMALS = 5
ABSTAIN_PRIOR = 0.2  # assumed share of molecules that the library lacks, when deciding on "none of these"


@dataclass(slots=True, eq=False)
class MemberList:
    """The candidate list of a feature as one of its members sees it."""

    index: int  # in `Feature.members`
    prepared: PreparedSpectrum
    embedding: Embedding  # E^s (D,)

    evidence: ListEvidence = field(init=False)
    probabilities: Probabilities = field(init=False)  # (C + 1,), the last for "none of these"


@dataclass(slots=True, eq=False)
class RankingWork:
    """The candidate list of one feature on its way through `fuse_lists`, which fills it step by step.

    Reading a field before its step has run raises AttributeError.
    """

    members: Sequence[MemberList]
    retrieved: Retrieved
    ranked: tuple[RankedCandidate, ...]  # ranked by `glmr`; the last step sorts them again

    fingerprints: NDArray[np.uint8] = field(init=False)  # (C, 256), packed Morgan bits
    confidence: Confidence = field(init=False)
    outcomes: tuple[MemberOutcome, ...] = field(init=False)  # one for each of `members`


def fuse_lists(
    lists: Sequence[RankingWork], model: RankingModel, references: ReferenceIndex | None, without: str = ""
) -> None:
    """Sort each list by probability and set its confidence.

    `without`: a channel to leave out, to measure how much it contributes.
    """
    collect_evidence(lists, model, references)

    # The ablation.
    members = [member for work in lists for member in work.members]
    if without:
        for member in members:
            member.evidence = without_channel(member.evidence, without)

    # Probabilities by each member, pooled by feature, and the order that follows from them.
    probabilities = model.probabilities([member.evidence for member in members])
    for member, of_list in zip(members, probabilities, strict=True):
        member.probabilities = of_list
    for work in lists:
        pooled = pool_probabilities([member.probabilities for member in work.members])
        _sort_by_probability(work, pooled.round(DECIMALS))


def collect_evidence(
    lists: Sequence[RankingWork], model: RankingModel, references: ReferenceIndex | None
) -> None:
    """Set the evidence of every member of every list."""
    # 1. The fingerprint channel, the only one of a blind model.
    _add_fingerprint_channel(lists, model)

    # 2. The other channels. One list at a time, so that the rest of the batch has no influence.
    if model.scorer is not None and model.predicted is not None:
        for work in lists:
            for member in work.members:
                _add_fragment_channels(member, work.retrieved, model.scorer, model.predicted)
                _add_similarity_channels(member, work, references)


def abstains(p_right: float, p_absent: float) -> bool:
    """Whether "none of these" is the better answer if the library lacks every fifth molecule.

    The stated probabilities assume that it lacks almost none. Few installations can know that, so this
    decision weighs the evidence of absence at a higher prior.
    """
    p_absent = min(p_absent, 1 - 1e-6)
    absent = odds(p_absent) * odds(ABSTAIN_PRIOR) / odds(ABSENT_PRIOR)
    p_none = absent / (1 + absent)
    return p_none > p_right / (1 - p_absent) * (1 - p_none)


def _add_fingerprint_channel(lists: Sequence[RankingWork], model: RankingModel) -> None:
    prepared = [member.prepared for work in lists for member in work.members]
    log_odds = iter(
        model.log_odds([one.features for one in prepared], [one.window.neutral_mass for one in prepared])
    )
    for work in lists:
        molecules = work.retrieved.molecules
        packed = b"".join(molecule.fingerprint for molecule in molecules)
        work.fingerprints = np.frombuffer(packed, np.uint8).reshape(len(molecules), -1)
        bits = np.unpackbits(work.fingerprints, axis=1).astype(np.float32)
        for member in work.members:
            member.evidence = ListEvidence(n_candidates=len(molecules), fingerprint=bits @ next(log_odds))


def _add_fragment_channels(
    member: MemberList, retrieved: Retrieved, scorer: FragmentScorer, predicted: PredictedPeaksScorer
) -> None:
    features, window = member.prepared.features, member.prepared.window
    peaks = strongest_peaks(features.mz, features.intensity, window.precursor_mz)
    smiles = [molecule.smiles for molecule in retrieved.molecules]
    formulas = [molecule.formula for molecule in retrieved.molecules]
    matches = explain_candidates(peaks, smiles, formulas, window.adduct)
    spectrum = spectrum_peaks(
        peaks, features.adduct, features.energy, features.energy_kind, window.precursor_mz
    )
    pairs = candidate_ions(peaks, smiles, window.adduct, window.precursor_mz)
    ions = IonBatch.of([spectrum], [pairs])
    member.evidence = add_fragment_channels(member.evidence, matches, ions, scorer, predicted)


def _add_similarity_channels(
    member: MemberList, work: RankingWork, references: ReferenceIndex | None
) -> None:
    """`contrastive`, and `analogs` where there are reference spectra."""
    analogs = None
    if references is not None:
        analogs = analog_votes(references, member.prepared.features, work.fingerprints)
    member.evidence = replace(member.evidence, contrastive=_similarities(member, work), analogs=analogs)


def _similarities(member: MemberList, work: RankingWork) -> Scores:
    """Cosine (C,) of the member's E^s and each candidate's E^m."""
    molecules = work.retrieved.molecules
    if len(work.members) == 1:  # the query was this member's embedding
        return np.array([molecule.embedding_similarity for molecule in molecules], np.float32)
    similarities: Scores = np.stack([molecule.embedding for molecule in molecules]) @ member.embedding
    return similarities


def _sort_by_probability(work: RankingWork, probabilities: Probabilities) -> None:
    """`probabilities` (C + 1,), the last for "none of these". Ties keep the order of retrieval."""
    keys = [molecule.key for molecule in work.retrieved.molecules]
    by_key = {candidate.key: candidate for candidate in work.ranked}
    order = sorted(range(len(keys)), key=lambda index: (-float(probabilities[index]), index))
    work.confidence = confidence_of(work.fingerprints, probabilities, first=order[0])
    channels = [[_channel_values(member.evidence, index) for index in order] for member in work.members]
    work.ranked = tuple(
        replace(
            by_key[keys[index]],
            rank=rank,
            probability=float(probabilities[index]),
            evidence=_pooled_evidence([of_member[rank - 1] for of_member in channels]),
        )
        for rank, index in enumerate(order, start=1)
    )
    is_alone = len(work.members) == 1
    work.outcomes = tuple(
        _member_outcome(member, keys, order, None if is_alone else of_member)
        for member, of_member in zip(work.members, channels, strict=True)
    )


def _pooled_evidence(channels: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: round(value, EVIDENCE_DECIMALS) for name, value in pool_evidence(channels).items()}


def _member_outcome(
    member: MemberList,
    keys: Sequence[int],
    order: Sequence[int],
    channels: Sequence[Mapping[str, float]] | None,
) -> MemberOutcome:
    """`channels`: of the candidates in `order`. None: the member is the only one, so details would repeat."""
    stated = member.probabilities.round(DECIMALS)
    top = int(np.argmax(stated[:-1]))
    details: dict[str, Any] = {}
    if channels is not None:
        details["probabilities"] = {keys[index]: float(stated[index]) for index in order}
        details["evidence"] = {
            keys[index]: {**values, **_similarity(member.evidence, index)}
            for index, values in zip(order, channels, strict=True)
        }
    return MemberOutcome(
        index=member.index,
        p_right=float(stated[order[0]]),
        p_absent=float(stated[-1]),
        top_key=keys[top],
        top_probability=float(stated[top]),
        **details,
    )


def _similarity(evidence: ListEvidence, index: int) -> dict[str, float]:
    """For a feature's candidates this is a separate field, for a member's it is among the channels."""
    if evidence.contrastive is None:
        return {}
    return {"embedding_similarity": round(float(evidence.contrastive[index]), EVIDENCE_DECIMALS)}


def confidence_of(
    fingerprints: NDArray[np.uint8], probabilities: NDArray[np.float64], first: int
) -> Confidence:
    """`probabilities` (C + 1,), the last for "none of these". `first`: index of the candidate at rank 1."""
    close = tanimoto_matrix(fingerprints, fingerprints[first : first + 1])[:, 0] >= CLOSE_TANIMOTO
    close[first] = True
    p_right, p_absent = float(probabilities[first]), float(probabilities[-1])
    return Confidence(
        p_right=p_right,
        p_close=float(probabilities[:-1][close].sum()),
        p_absent=p_absent,
        abstains=abstains(p_right, p_absent),
    )


def _channel_values(evidence: ListEvidence, index: int) -> dict[str, float]:
    """The raw value of each channel for one candidate, without channels that have none.

    The names are stored with results: a renamed channel needs an entry in annotation/results/channels.py.
    """
    values: dict[str, float] = {}
    if evidence.fingerprint is not None:
        values["fingerprint"] = float(evidence.fingerprint[index])
    if evidence.fragments is not None and evidence.unexplained is not None:
        values["fragments"] = float(evidence.fragments[index])
        values["fragment_coverage"] = 1.0 - float(evidence.unexplained[index])
    if evidence.predicted is not None:
        values["predicted"] = float(evidence.predicted[index])
    if evidence.analogs is not None:
        values["analogs"] = float(evidence.analogs.votes[index, MAIN_VOTE])
    return {name: round(value, EVIDENCE_DECIMALS) for name, value in values.items()}
