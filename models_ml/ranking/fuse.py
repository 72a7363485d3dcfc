"""The fused ranking: the evidence of all channels, then probabilities and the order of candidates.

Channels and symbols: docs/glossary.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from models_ml.evidence.analog_votes import MAIN_VOTE, analog_votes
from models_ml.evidence.analogs import ReferenceIndex, tanimoto_matrix
from models_ml.evidence.fragments import explain_candidates, strongest_peaks
from models_ml.evidence.ion_shares import IonBatch
from models_ml.evidence.predicted_peaks import candidate_ions, spectrum_peaks
from models_ml.networks.fragment_intensity import PredictedPeaksScorer
from models_ml.networks.fragment_scorer import FragmentScorer
from models_ml.outcomes import Confidence, RankedCandidate, Retrieved
from models_ml.ranking.features import ListEvidence, without_channel
from models_ml.ranking.fragment_evidence import add_fragment_channels
from models_ml.ranking.model import RankingModel
from models_ml.ranking.ranker import ABSENT_PRIOR, odds
from models_ml.spectra.precursor_window import PreparedSpectrum

CLOSE_TANIMOTO = 0.6
# Probabilities that agree to this many decimals are equal. Beyond it, float32 sums differ with the shape of
# the batch, and a rank must not depend on the rest of the batch.
DECIMALS = 4
EVIDENCE_DECIMALS = 5
ABSTAIN_PRIOR = 0.2  # assumed share of molecules that the library lacks, when deciding on "none of these"


@dataclass(slots=True, eq=False)
class RankingWork:
    """The candidate list of one spectrum on its way through `fuse_lists`, which fills it step by step.

    Reading a field before its step has run raises AttributeError.
    """

    prepared: PreparedSpectrum
    retrieved: Retrieved
    ranked: tuple[RankedCandidate, ...]  # ranked by `glmr`; the last step sorts them again

    fingerprints: NDArray[np.uint8] = field(init=False)  # (C, 256), packed Morgan bits
    evidence: ListEvidence = field(init=False)
    confidence: Confidence = field(init=False)


def fuse_lists(
    lists: Sequence[RankingWork], model: RankingModel, references: ReferenceIndex | None, without: str = ""
) -> None:
    """Sort each list by probability and set its confidence.

    `without`: a channel to leave out, to measure how much it contributes.
    """
    # 1. The fingerprint channel, the only one of a blind model.
    _add_fingerprint_channel(lists, model)

    # 2. The other channels. One list at a time, so that the rest of the batch has no influence.
    if model.scorer is not None and model.predicted is not None:
        for work in lists:
            _add_fragment_channels(work, model.scorer, model.predicted)
            _add_similarity_channels(work, references)

    # 3. The ablation.
    if without:
        for work in lists:
            work.evidence = without_channel(work.evidence, without)

    # 4. Probabilities, and the order that follows from them.
    probabilities = model.probabilities([work.evidence for work in lists])
    for work, of_list in zip(lists, probabilities, strict=True):
        _sort_by_probability(work, of_list.round(DECIMALS))


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
    log_odds = model.log_odds(
        [work.prepared.features for work in lists], [work.prepared.window.neutral_mass for work in lists]
    )
    for work, of_bits in zip(lists, log_odds, strict=True):
        molecules = work.retrieved.molecules
        packed = b"".join(molecule.fingerprint for molecule in molecules)
        work.fingerprints = np.frombuffer(packed, np.uint8).reshape(len(molecules), -1)
        bits = np.unpackbits(work.fingerprints, axis=1).astype(np.float32)
        work.evidence = ListEvidence(n_candidates=len(molecules), fingerprint=bits @ of_bits)


def _add_fragment_channels(
    work: RankingWork, scorer: FragmentScorer, predicted: PredictedPeaksScorer
) -> None:
    features, window = work.prepared.features, work.prepared.window
    peaks = strongest_peaks(features.mz, features.intensity, window.precursor_mz)
    smiles = [molecule.smiles for molecule in work.retrieved.molecules]
    formulas = [molecule.formula for molecule in work.retrieved.molecules]
    matches = explain_candidates(peaks, smiles, formulas, window.adduct)
    spectrum = spectrum_peaks(
        peaks, features.adduct, features.energy, features.energy_kind, window.precursor_mz
    )
    pairs = candidate_ions(peaks, smiles, window.adduct, window.precursor_mz)
    ions = IonBatch.of([spectrum], [pairs])
    work.evidence = add_fragment_channels(work.evidence, matches, ions, scorer, predicted)


def _add_similarity_channels(work: RankingWork, references: ReferenceIndex | None) -> None:
    """`contrastive`, and `analogs` where there are reference spectra."""
    similarities = [molecule.embedding_similarity for molecule in work.retrieved.molecules]
    analogs = None
    if references is not None:
        analogs = analog_votes(references, work.prepared.features, work.fingerprints)
    work.evidence = replace(work.evidence, contrastive=np.array(similarities, np.float32), analogs=analogs)


def _sort_by_probability(work: RankingWork, probabilities: NDArray[np.float64]) -> None:
    """`probabilities` (C + 1,), the last for "none of these". Ties keep the order of retrieval."""
    keys = [molecule.key for molecule in work.retrieved.molecules]
    by_key = {candidate.key: candidate for candidate in work.ranked}
    order = sorted(range(len(keys)), key=lambda index: (-float(probabilities[index]), index))
    work.confidence = _confidence(work.fingerprints, probabilities, first=order[0])
    work.ranked = tuple(
        replace(
            by_key[keys[index]],
            rank=rank,
            probability=float(probabilities[index]),
            evidence=_channel_values(work.evidence, index),
        )
        for rank, index in enumerate(order, start=1)
    )


def _confidence(
    fingerprints: NDArray[np.uint8], probabilities: NDArray[np.float64], first: int
) -> Confidence:
    """`first`: index of the candidate at rank 1."""
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
