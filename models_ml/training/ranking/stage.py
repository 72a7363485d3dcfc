"""Trains the fused ranking: every channel on all folds but one, then rankers and judges on that one.

So the ranker sees each channel as it will be met in use: on compounds that the channel never saw. Needs
RDKit, for fragments. The library is that of pre-training, so no evaluation compound is ever a candidate.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models_ml.checkpoint_info import TWIN_FOLDER
from models_ml.networks.fingerprint_head import FingerprintHead, FingerprintHeadConfig
from models_ml.ranking.absence import AbsenceClassifier
from models_ml.ranking.features import CHANNELS, ListEvidence, ranker_numbers, without_channel
from models_ml.ranking.model import RANKING_FILE, RankingModel, load_ranking, save_ranking
from models_ml.ranking.ranker import ABSENT_PRIOR, Ranker, odds, pad_lists
from models_ml.training.batches import shuffled_batches
from models_ml.training.generative import spectra_per_compound
from models_ml.training.ranking.absence import train_judges
from models_ml.training.ranking.evidence import (
    CandidateList,
    Pools,
    fingerprint_evidence,
    fixed_evidence,
    without_candidate,
)
from models_ml.training.ranking.fingerprint_heads import (
    FingerprintChoices,
    SpectrumTokens,
    train_fingerprint,
    vocabulary_of,
)
from models_ml.training.ranking.fit import fit
from models_ml.training.ranking.fragment_channels import (
    FragmentedLists,
    TrainingLists,
    fragment_evidence,
    fragment_lists,
    make_lessons,
    train_fragment_channels,
)
from models_ml.training.ranking.fragmenting import Fragmenter
from models_ml.training.validation import NearMassNegatives
from models_ml.training.vectors import MassSorted

TEMPERATURES = np.exp(np.linspace(np.log(0.5), np.log(3.0), 73)).tolist()
DRAW_SEED = 0  # of the spectra that are learnt from: the same for all seeds, for fragmenting them takes long


@dataclass(frozen=True, slots=True)
class RankingChoices:
    hold_out: int = 0  # the ranker's fold; contrastive and generative must have held it out too
    blind: bool = False  # the control: heads that never see a peak, and no other channel
    n_heads: int = 2
    n_rankers: int = 3
    per_compound: int = 4  # spectra at most
    ranker_epochs: int = 10
    batch_lists: int = 64
    analogs_absent: float = 0.4  # share of lists ranked as in an installation without references
    channel_absent: float = 0.1  # share that loses one other channel, so that each can be left out
    truth_deleted: float = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What every seed learns from, made once."""

    pools: Pools
    tokens: SpectrumTokens
    shown: NDArray[np.int64]  # spectra outside the held fold
    held: NDArray[np.bool_]  # which compounds are of the held fold
    lists: Sequence[CandidateList]  # of the held fold
    evidence: Sequence[ListEvidence]  # of these lists, from the channels that no seed changes
    fragmented: FragmentedLists | None  # these lists; None: the blind control
    lessons: TrainingLists | None  # None: the blind control, or channels that are learnt already


def train_ranking(
    data: Path,
    run: Path,
    checkpoint: Path,
    choices: RankingChoices,
    seeds: Sequence[int],
    channels_of: Path | None = None,
    *,
    keep_rankers: bool = False,
) -> None:
    """Write ranking.safetensors into `checkpoint` and name it in its config.json. 40 minutes, 15 more a seed.

    A blind one goes into the folder of the checkpoint's twin. Further seeds go into copies of the checkpoint
    beside it, NAME-seedN. `channels_of`: a checkpoint, with such copies, whose heads and scorers are taken as
    they are; only rankers and judges of absence learn, as they must when the contrastive model has changed.
    `keep_rankers`: its rankers, too, which then must know this contrastive model.
    """
    material = prepare_material(data, run, choices, with_lessons=channels_of is None)
    for number, seed in enumerate(seeds):
        target = checkpoint if not number else _of_seed(checkpoint, seed)
        if number:
            shutil.copytree(checkpoint, target, dirs_exist_ok=True)
        if channels_of is None:
            channels = train_channels(material, choices, seed)
        else:
            channels = _learnt(channels_of if not number else _of_seed(channels_of, seed), choices)
        model = train_one(material, channels, choices, seed, keep_rankers=keep_rankers)
        folder = target / TWIN_FOLDER if choices.blind else target
        digest = save_ranking(folder, model)
        if not choices.blind:
            _name_in_config(target / "config.json", digest, asdict(choices) | {"seed": seed})
        print(f"{folder / RANKING_FILE}: {digest}")


def prepare_material(
    data: Path, run: Path, choices: RankingChoices, *, with_lessons: bool = True
) -> Material:
    rng = np.random.default_rng(DRAW_SEED)
    pools = Pools.load(data)
    held = pools.folds == choices.hold_out
    shown = np.flatnonzero(~held[pools.spectra.compound])
    drawn = np.sort(spectra_per_compound(pools.spectra, choices.per_compound, rng))
    is_held = held[pools.spectra.compound[drawn]]
    lists = pools.lists(drawn[is_held])
    evidence = [ListEvidence(n_candidates=len(one.candidates)) for one in lists]
    fragmented = lessons = None
    if not choices.blind:
        evidence = fixed_evidence(pools, lists, run, shown)
        fragmenter = Fragmenter(pools)
        fragmented = fragment_lists(fragmenter, lists)
        if with_lessons:
            lessons = make_lessons(fragmenter, pools.lists(drawn[~is_held]), rng)
    return Material(
        pools=pools,
        tokens=SpectrumTokens(pools.spectra, vocabulary_of(pools.spectra, shown)),
        shown=shown,
        held=held,
        lists=lists,
        evidence=evidence,
        fragmented=fragmented,
        lessons=lessons,
    )


def train_channels(material: Material, choices: RankingChoices, seed: int) -> RankingModel:
    """A ranking model without rankers."""
    rng = np.random.default_rng(seed)
    heads = train_heads(material, choices, seed, rng)
    scorer = predicted = None
    if material.lessons is not None:
        scorer, predicted = train_fragment_channels(material.lessons, seed, rng)
    return RankingModel(material.tokens.vocabulary, heads, scorer, predicted, [])


def train_one(
    material: Material,
    channels: RankingModel,
    choices: RankingChoices,
    seed: int,
    *,
    keep_rankers: bool = False,
) -> RankingModel:
    """`channels` with the rankers and judges that have learnt what they say."""
    pools, lists = material.pools, material.lists
    evidence = fingerprint_evidence(material.evidence, pools, lists, channels.heads, material.tokens)
    if material.fragmented is not None and channels.scorer is not None and channels.predicted is not None:
        evidence = fragment_evidence(evidence, material.fragmented, channels.scorer, channels.predicted)
    truths = [one.truth for one in lists]
    part = _parts(pools.spectra.compound[[one.spectrum for one in lists]], choices.n_rankers, seed)
    rankers = channels.rankers if keep_rankers else train_rankers(evidence, truths, part, choices, seed)
    judges: Sequence[AbsenceClassifier] = ()
    if not choices.blind:
        judges = train_judges(
            evidence, truths, rankers, part, lambda one, rng: _thinned(one, choices, rng), seed
        )
    return replace(channels, rankers=rankers, judges=judges)


def train_bits_alone(data: Path, out: Path, choices: RankingChoices, seed: int) -> None:
    """Heads that learn the fingerprint and meet no decoy, into `out`: a baseline of the evaluation."""
    pools = Pools.load(data)
    held = pools.folds == choices.hold_out
    shown = np.flatnonzero(~held[pools.spectra.compound])
    tokens = SpectrumTokens(pools.spectra, vocabulary_of(pools.spectra, shown))
    material = Material(pools, tokens, shown, held, lists=(), evidence=(), fragmented=None, lessons=None)
    how = FingerprintChoices(decoys=0)
    heads = train_heads(material, choices, seed, np.random.default_rng(seed), how)
    digest = save_ranking(out, RankingModel(tokens.vocabulary, heads, None, None, []))
    print(f"{out / RANKING_FILE}: {digest}")


def train_heads(
    material: Material,
    choices: RankingChoices,
    seed: int,
    rng: np.random.Generator,
    how: FingerprintChoices | None = None,
) -> list[FingerprintHead]:
    """On the spectra in `shown`. Compounds of the held fold are not even decoys."""
    pools, tokens = material.pools, material.tokens
    decoys = NearMassNegatives(MassSorted.of(pools.library.exact_mass, without=pools.own[material.held]))
    if how is None:
        # The blind heads learn less and overfit sooner: validation chose fewer epochs.
        how = FingerprintChoices(epochs=16) if choices.blind else FingerprintChoices()
    heads: list[FingerprintHead] = []
    for number in range(choices.n_heads):
        torch.manual_seed(seed + 1 + number)
        head = FingerprintHead(FingerprintHeadConfig(len(tokens.vocabulary), blind=choices.blind))
        train_fingerprint(head, tokens, material.shown, pools.own, pools.library, decoys, how, rng)
        heads.append(head)
    return heads


def train_rankers(
    evidence: Sequence[ListEvidence],
    truths: Sequence[int],
    part: NDArray[np.int64],
    choices: RankingChoices,
    seed: int,
) -> list[Ranker]:
    """Each ranker learns on all parts of the lists but its own, which then sets its temperature."""
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


def _parts(compounds: NDArray[np.int64], number: int, seed: int) -> NDArray[np.int64]:
    """Which of so many parts each list lies in; lists of one compound lie together."""
    names, number_of = np.unique(compounds, return_inverse=True)
    part: NDArray[np.int64] = np.random.default_rng(seed).permutation(len(names))[number_of] % number
    return part


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
    batches = shuffled_batches(len(evidence), choices.batch_lists, rng)

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


def _learnt(checkpoint: Path, choices: RankingChoices) -> RankingModel:
    folder = checkpoint / TWIN_FOLDER if choices.blind else checkpoint
    found = load_ranking(folder)
    if found is None:
        raise FileNotFoundError(
            f"{folder / RANKING_FILE} is missing: run `ranking` on that checkpoint first."
        )
    return found


def _of_seed(checkpoint: Path, seed: int) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}-seed{seed}")


def _name_in_config(path: Path, digest: str, training: dict[str, Any]) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    config["ranking_sha256"] = digest
    config["training"]["ranking"] = training
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
