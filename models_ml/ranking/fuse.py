"""The fused step of `annotate`: evidence of every channel, then the ranker's order and its confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from models_ml.evidence.analog_votes import MAIN_VOTE, analog_votes
from models_ml.evidence.analogs import ReferenceIndex, tanimoto_matrix
from models_ml.evidence.fragment_matches import Explained, FragmentMatches
from models_ml.evidence.fragments import explain_candidates, strongest_peaks
from models_ml.evidence.ion_shares import IonBatch
from models_ml.evidence.predicted_peaks import candidate_ions, spectrum_peaks
from models_ml.networks.fragment_intensity import PredictedPeaksScorer
from models_ml.networks.fragment_scorer import FragmentScorer
from models_ml.outcomes import Confidence, RankedCandidate, Retrieved
from models_ml.ranking.features import ListEvidence, without_channel
from models_ml.ranking.model import RankingModel
from models_ml.ranking.ranker import ABSENT_PRIOR, odds
from models_ml.spectra.precursor_window import PreparedSpectrum

CLOSE_TANIMOTO = 0.6
# Probabilities that differ less are one: float32 sums depend on the batch's shape, ranks must not.
DECIMALS = 4
LACKING = 0.2  # share of molecules that the library may lack, when "none of these" is considered


@dataclass(frozen=True, slots=True)
class Fused:
    candidates: tuple[RankedCandidate, ...]
    confidence: Confidence


def fuse(
    questions: Sequence[PreparedSpectrum],
    retrieved: Sequence[Retrieved],
    ranked: Sequence[tuple[RankedCandidate, ...]],
    model: RankingModel,
    references: ReferenceIndex | None,
    without: str = "",
) -> list[Fused]:
    """Each spectrum's candidates in the order of their probability. `ranked`: the same candidates by GLMR.

    `without`: a channel that is left out, to show what it is worth.
    """
    fingerprints = [_fingerprints(one) for one in retrieved]
    bit_scores = _bit_scores(questions, fingerprints, model)
    evidence = [
        ListEvidence(fingerprint=bits, n_candidates=len(one.molecules))
        for bits, one in zip(bit_scores, retrieved, strict=True)
    ]
    if model.scorer is not None and model.predicted is not None:
        evidence = [
            _with_peaks(said, question, one, packed, model.scorer, model.predicted, references)
            for said, question, one, packed in zip(evidence, questions, retrieved, fingerprints, strict=True)
        ]
    if without:
        evidence = [without_channel(one, without) for one in evidence]
    probabilities = model.probabilities(evidence)
    return [
        _fused(one, candidates, said, probability, packed)
        for one, candidates, said, probability, packed in zip(
            retrieved, ranked, evidence, probabilities, fingerprints, strict=True
        )
    ]


def _with_peaks(
    evidence: ListEvidence,
    question: PreparedSpectrum,
    retrieved: Retrieved,
    fingerprints: NDArray[np.uint8],
    scorer: FragmentScorer,
    predicted: PredictedPeaksScorer,
    references: ReferenceIndex | None,
) -> ListEvidence:
    """The channels that only peaks can feed, added. One spectrum at a time: its batch changes nothing."""
    explained, ions = _fragments(question, retrieved)
    with torch.inference_mode():
        scores, likelihood = predicted.judge(ions)
        fragments = scorer(FragmentMatches.of(explained))
    return replace(
        evidence,
        contrastive=np.array([molecule.embedding_similarity for molecule in retrieved.molecules], np.float32),
        fragments=fragments.numpy(),
        unexplained=np.array([pair.unexplained for pair in explained], np.float32),
        possible=np.array([pair.possible for pair in explained], np.float32),
        predicted=scores.numpy(),
        likelihood=likelihood.numpy(),
        analogs=None if references is None else analog_votes(references, question.features, fingerprints),
    )


def _fused(
    retrieved: Retrieved,
    ranked: Sequence[RankedCandidate],
    evidence: ListEvidence,
    probability: NDArray[np.float64],
    fingerprints: NDArray[np.uint8],
) -> Fused:
    probability = probability.round(DECIMALS)
    by_key = {candidate.key: candidate for candidate in ranked}
    keys = [molecule.key for molecule in retrieved.molecules]
    order = sorted(range(len(keys)), key=lambda place: (-float(probability[place]), place))
    candidates = tuple(
        replace(
            by_key[keys[place]],
            rank=rank,
            probability=float(probability[place]),
            evidence=_named(evidence, place),
        )
        for rank, place in enumerate(order, start=1)
    )
    first = order[0]
    close = tanimoto_matrix(fingerprints, fingerprints[first : first + 1])[:, 0] >= CLOSE_TANIMOTO
    close[first] = True
    p_right, p_absent = float(probability[first]), float(probability[-1])
    return Fused(
        candidates,
        Confidence(
            p_right=p_right,
            p_close=float(probability[:-1][close].sum()),
            p_absent=p_absent,
            abstains=abstains(p_right, p_absent),
        ),
    )


def abstains(p_right: float, p_absent: float) -> bool:
    """Whether "none of these" were the better answer if the library lacked every fifth molecule.

    The stated probabilities assume that it holds nearly all, which an installation seldom knows; so the
    evidence of absence is weighed again at a prior that gives it a chance.
    """
    absent = odds(min(p_absent, 1 - 1e-6)) * odds(LACKING) / odds(ABSENT_PRIOR)
    p_none = absent / (1 + absent)
    return p_none > p_right / (1 - min(p_absent, 1 - 1e-6)) * (1 - p_none)


def _named(evidence: ListEvidence, place: int) -> dict[str, float]:
    """The channels' raw scores of one candidate; what a channel did not say is left out."""
    said: dict[str, float] = {}
    if evidence.fingerprint is not None:
        said["fingerprint"] = float(evidence.fingerprint[place])
    if evidence.fragments is not None and evidence.unexplained is not None:
        said["fragments"] = float(evidence.fragments[place])
        said["explained"] = 1.0 - float(evidence.unexplained[place])
    if evidence.predicted is not None:
        said["predicted"] = float(evidence.predicted[place])
    if evidence.analogs is not None:
        said["analogs"] = float(evidence.analogs.votes[place, MAIN_VOTE])
    return {name: round(value, 5) for name, value in said.items()}


def _fingerprints(retrieved: Retrieved) -> NDArray[np.uint8]:
    joined = b"".join(molecule.fingerprint for molecule in retrieved.molecules)
    return np.frombuffer(joined, np.uint8).reshape(len(retrieved.molecules), -1)


def _bit_scores(
    questions: Sequence[PreparedSpectrum], fingerprints: Sequence[NDArray[np.uint8]], model: RankingModel
) -> list[NDArray[np.float32]]:
    """The heads' mean log odds, summed over each candidate's bits."""
    log_odds = model.log_odds(
        [question.features for question in questions], [question.neutral_mass for question in questions]
    )
    return [
        np.unpackbits(packed, axis=1).astype(np.float32) @ row
        for packed, row in zip(fingerprints, log_odds, strict=True)
    ]


def _fragments(question: PreparedSpectrum, retrieved: Retrieved) -> tuple[list[Explained], IonBatch]:
    """What each candidate's fragments explain of the peaks, and all ions that it could give."""
    features, molecules = question.features, retrieved.molecules
    peaks = strongest_peaks(features.mz, features.intensity, question.precursor_mz)
    smiles = [one.smiles for one in molecules]
    spectrum = spectrum_peaks(
        peaks, features.adduct, features.energy, features.energy_kind, question.precursor_mz
    )
    explained = explain_candidates(peaks, smiles, [one.formula for one in molecules], question.adduct)
    pairs = candidate_ions(peaks, smiles, question.adduct, question.precursor_mz)
    return explained, IonBatch.of([spectrum], [pairs])
