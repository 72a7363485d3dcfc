"""Values of the channels for training lists: the input of the ranker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models_ml.evidence.analog_votes import AnalogVotes, analog_votes
from models_ml.networks.fingerprint_head import FingerprintHead
from models_ml.ranking.features import CHANNELS, ListEvidence, Scores, without_channel
from models_ml.training.ranking.data import CandidateList, TrainingData
from models_ml.training.ranking.fingerprint_heads import SpectrumTokens, predict_bits
from models_ml.training.settings import RankingSettings
from models_ml.training.states import load_network, source_of
from models_ml.training.vectors import embed_spectrum_rows, molecule_vectors


def fixed_evidence(
    data: TrainingData, lists: Sequence[CandidateList], run: Path, shown: NDArray[np.int64]
) -> list[ListEvidence]:
    """The channels that do not depend on the seed: contrastive, and analogs among the spectra in `shown`."""
    rows = np.array([candidate_list.spectrum for candidate_list in lists])
    network = load_network(run / "contrastive.pt")
    embedded = embed_spectrum_rows(network, data.spectra, rows, "cpu")
    vectors = molecule_vectors(network, np.load(source_of(run) / "library_pooled.npy"), device="cpu")
    references = data.references(shown)
    found: list[ListEvidence] = []
    for candidate_list, vector in zip(tqdm(lists, "analogs"), embedded, strict=True):
        candidates = candidate_list.candidates
        features = data.spectra.features(candidate_list.spectrum)
        found.append(
            ListEvidence(
                n_candidates=len(candidates),
                contrastive=vectors[candidates] @ vector,
                analogs=analog_votes(references, features, data.library.fingerprints[candidates]),
            )
        )
    return found


def fingerprint_evidence(
    evidence: Sequence[ListEvidence],
    data: TrainingData,
    lists: Sequence[CandidateList],
    heads: Sequence[FingerprintHead],
    tokens: SpectrumTokens,
) -> list[ListEvidence]:
    """Adds the channel of the fingerprint heads, the only channel of a blind ranker."""
    rows = np.array([candidate_list.spectrum for candidate_list in lists])
    log_odds = np.mean([predict_bits(head, tokens, rows) for head in heads], axis=0)
    return [
        replace(of_list, fingerprint=data.bits(candidate_list.candidates) @ row)
        for of_list, candidate_list, row in zip(evidence, lists, log_odds, strict=True)
    ]


def drop_channels(
    evidence: ListEvidence, settings: RankingSettings, rng: np.random.Generator
) -> ListEvidence:
    """Randomly removes what an installation may lack: the analogs, or another channel."""
    if rng.random() < settings.analogs_absent:
        evidence = replace(evidence, analogs=None)
    if not settings.blind and rng.random() < settings.channel_absent:
        evidence = without_channel(evidence, CHANNELS[int(rng.integers(len(CHANNELS)))])
    return evidence


def without_candidate(evidence: ListEvidence, index: int) -> ListEvidence:
    """The list without its candidate at `index`."""
    keep = np.arange(evidence.n_candidates) != index

    def cut(scores: Scores | None) -> Scores | None:
        return None if scores is None else scores[keep]

    analogs = evidence.analogs
    return ListEvidence(
        fingerprint=cut(evidence.fingerprint),
        contrastive=cut(evidence.contrastive),
        fragments=cut(evidence.fragments),
        unexplained=cut(evidence.unexplained),
        possible=cut(evidence.possible),
        predicted=cut(evidence.predicted),
        likelihood=cut(evidence.likelihood),
        analogs=None if analogs is None else AnalogVotes(analogs.votes[keep], analogs.strengths),
        n_candidates=evidence.n_candidates - 1,
    )
