"""Trains the fused ranking: every channel on all folds but one, then the ranker on that one.

So the ranker sees each channel as it will be met in use: on compounds that the channel never saw. Needs
RDKit, for fragments. The library is that of pre-training, so no evaluation compound is ever a candidate.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from models_ml.checkpoint_info import TWIN_FOLDER
from models_ml.evidence.fragment_matches import FragmentMatches
from models_ml.networks.fingerprint_head import FingerprintHead, FingerprintHeadConfig
from models_ml.networks.fragment_scorer import FragmentScorer
from models_ml.ranking.features import CHANNELS, ListEvidence, ranker_numbers, without_channel
from models_ml.ranking.model import RANKING_FILE, RankingModel, save_ranking
from models_ml.ranking.ranker import ABSENT_PRIOR, Ranker, odds, pad_lists
from models_ml.training.fingerprint import (
    FingerprintChoices,
    SpectrumTokens,
    train_fingerprint,
    vocabulary_of,
)
from models_ml.training.fit import fit
from models_ml.training.generative import spectra_per_compound
from models_ml.training.ranking_evidence import (
    CandidateList,
    Pools,
    explain_lists,
    fingerprint_evidence,
    peak_evidence,
    without_candidate,
)
from models_ml.training.validation import NearMassNegatives
from models_ml.training.vectors import MassSorted

MOST_CANDIDATES = 60  # of a list in the scorer's training; larger windows are cut
TEMPERATURES = np.exp(np.linspace(np.log(0.5), np.log(3.0), 73)).tolist()


@dataclass(frozen=True, slots=True)
class RankingChoices:
    hold_out: int = 0  # the ranker's fold; contrastive and generative must have held it out too
    blind: bool = False  # the control: heads that never see a peak, and no other channel
    n_heads: int = 2
    n_rankers: int = 3
    per_compound: int = 4  # spectra at most
    scorer_epochs: int = 3
    ranker_epochs: int = 10
    batch_lists: int = 64
    analogs_absent: float = 0.4  # share of lists ranked as in an installation without references
    channel_absent: float = 0.1  # share that loses one other channel, so that each can be left out
    truth_deleted: float = 0.15


def train_ranking(data: Path, run: Path, checkpoint: Path, choices: RankingChoices, seed: int) -> None:
    """Write ranking.safetensors into `checkpoint` and name it in its config.json. About 20 minutes.

    A blind one goes into the folder of the checkpoint's twin.
    """
    rng = np.random.default_rng(seed)
    pools = Pools.load(data)
    held = pools.folds == choices.hold_out
    shown = np.flatnonzero(~held[pools.spectra.compound])
    tokens = SpectrumTokens(pools.spectra, vocabulary_of(pools.spectra, shown))
    heads = train_heads(pools, tokens, shown, held, choices, seed, rng)
    drawn = np.sort(spectra_per_compound(pools.spectra, choices.per_compound, rng))
    is_held = held[pools.spectra.compound[drawn]]
    lists = pools.lists(drawn[is_held])
    evidence = fingerprint_evidence(pools, lists, heads, tokens)
    scorer = None
    if not choices.blind:
        scorer = train_scorer(pools, pools.lists(drawn[~is_held]), choices, seed, rng)
        evidence = peak_evidence(evidence, pools, lists, scorer, run, shown)
    compounds = pools.spectra.compound[[one.spectrum for one in lists]]
    rankers = train_rankers(evidence, [one.truth for one in lists], compounds, choices, seed)
    folder = checkpoint / TWIN_FOLDER if choices.blind else checkpoint
    digest = save_ranking(folder, RankingModel(tokens.vocabulary, heads, scorer, rankers))
    if not choices.blind:
        _name_in_config(checkpoint / "config.json", digest, asdict(choices) | {"seed": seed})
    print(f"{folder / RANKING_FILE}: {digest}")


def train_heads(
    pools: Pools,
    tokens: SpectrumTokens,
    shown: NDArray[np.int64],
    held: NDArray[np.bool_],
    choices: RankingChoices,
    seed: int,
    rng: np.random.Generator,
) -> list[FingerprintHead]:
    """On the spectra in `shown`. Compounds of the held fold are not even decoys."""
    decoys = NearMassNegatives(MassSorted.of(pools.library.exact_mass, without=pools.own[held]))
    heads: list[FingerprintHead] = []
    for number in range(choices.n_heads):
        torch.manual_seed(seed + 1 + number)
        head = FingerprintHead(FingerprintHeadConfig(len(tokens.vocabulary), blind=choices.blind))
        # The blind heads learn less and overfit sooner: validation chose fewer epochs.
        how = FingerprintChoices(epochs=16) if choices.blind else FingerprintChoices()
        train_fingerprint(head, tokens, shown, pools.own, pools.library, decoys, how, rng)
        heads.append(head)
    return heads


def train_scorer(
    pools: Pools,
    lists: Sequence[CandidateList],
    choices: RankingChoices,
    seed: int,
    rng: np.random.Generator,
) -> FragmentScorer:
    """The truth picked out of each list by its fragments alone."""
    lists = [one for one in lists if len(one.candidates) > 1 and one.truth < MOST_CANDIDATES]
    explained = [pairs[:MOST_CANDIDATES] for pairs in explain_lists(pools, lists)]
    torch.manual_seed(seed)
    scorer = FragmentScorer()
    batches = _batches(len(lists), choices.batch_lists, rng)

    def loss() -> Tensor:
        batch = next(batches)
        scores = scorer(FragmentMatches.of([pair for place in batch for pair in explained[place]]))
        sizes = [len(explained[place]) for place in batch]
        padded = pad_sequence(list(torch.split(scores, sizes)), batch_first=True, padding_value=-1e4)
        return functional.cross_entropy(padded, torch.tensor([lists[place].truth for place in batch]))

    steps = choices.scorer_epochs * max(len(lists) // choices.batch_lists, 1)
    fit(scorer, loss, steps=steps, rate=3e-3, weight_decay=0.01, clip=1.0, name="fragment scorer")
    return scorer


def train_rankers(
    evidence: Sequence[ListEvidence],
    truths: Sequence[int],
    compounds: NDArray[np.int64],
    choices: RankingChoices,
    seed: int,
) -> list[Ranker]:
    """Each ranker learns on all parts of the compounds but one, which then sets its temperature."""
    names, number_of = np.unique(compounds, return_inverse=True)
    part = np.random.default_rng(seed).permutation(len(names))[number_of] % choices.n_rankers
    rankers: list[Ranker] = []
    for number in range(choices.n_rankers):
        learnt, kept = np.flatnonzero(part != number).tolist(), np.flatnonzero(part == number).tolist()
        ranker = train_ranker(
            [evidence[place] for place in learnt], [truths[place] for place in learnt], choices, seed + number
        )
        set_temperature(
            ranker, [evidence[place] for place in kept], [truths[place] for place in kept], choices, seed
        )
        rankers.append(ranker)
    return rankers


def set_temperature(
    ranker: Ranker,
    evidence: Sequence[ListEvidence],
    truths: Sequence[int],
    choices: RankingChoices,
    seed: int,
) -> None:
    """The one at which the truths of lists that the ranker never saw are likeliest."""
    rng = np.random.default_rng(seed)
    lists = [_thinned(one, choices, rng) for one in evidence]
    padded, of_lists, keep = pad_lists([ranker_numbers(one) for one in lists])
    with torch.inference_mode():
        log_p = ranker(padded, of_lists, keep)
        losses = [
            float(functional.nll_loss(functional.log_softmax(log_p / t, dim=1), torch.tensor(truths)))
            for t in TEMPERATURES
        ]
    ranker.temperature.fill_(TEMPERATURES[int(np.argmin(losses))])


def train_ranker(
    evidence: Sequence[ListEvidence], truths: Sequence[int], choices: RankingChoices, seed: int
) -> Ranker:
    """Some lists lose a channel and some their truth, so that the ranker knows these situations."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    ranker = Ranker()
    batches = _batches(len(evidence), choices.batch_lists, rng)

    def shown(place: int) -> tuple[ListEvidence, int]:
        one, truth = _thinned(evidence[place], choices, rng), truths[place]
        if one.n_candidates > 1 and rng.random() < choices.truth_deleted:
            return without_candidate(one, truth), -1
        return one, truth

    def loss() -> Tensor:
        seen = [shown(int(place)) for place in next(batches)]
        padded, of_lists, keep = pad_lists([ranker_numbers(one) for one, _ in seen])
        none = padded.shape[1]  # the place of "none of these"
        targets = torch.tensor([none if truth < 0 else truth for _, truth in seen])
        return functional.nll_loss(ranker(padded, of_lists, keep), targets)

    steps = choices.ranker_epochs * max(len(evidence) // choices.batch_lists, 1)
    fit(ranker, loss, steps=steps, rate=3e-3, weight_decay=0.02, clip=1.0, name="ranker")
    ranker.shift_none(float(np.log(odds(ABSENT_PRIOR) / odds(choices.truth_deleted))))
    return ranker


def _thinned(evidence: ListEvidence, choices: RankingChoices, rng: np.random.Generator) -> ListEvidence:
    """Without what an installation may lack: the analogs, or some other channel."""
    if rng.random() < choices.analogs_absent:
        evidence = replace(evidence, analogs=None)
    if not choices.blind and rng.random() < choices.channel_absent:
        evidence = without_channel(evidence, CHANNELS[int(rng.integers(len(CHANNELS)))])
    return evidence


def _name_in_config(path: Path, digest: str, training: dict[str, Any]) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    config["ranking_sha256"] = digest
    config["training"]["ranking"] = training
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _batches(n: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Endless batches of places, each epoch in a new order; the rest that fills no batch is left out."""
    size = min(size, n)
    while True:
        order = rng.permutation(n)
        for start in range(0, n - size + 1, size):
            yield order[start : start + size]
