"""Trains the fused ranking: channels on all folds but one, then rankers and absence classifiers on that fold.

The ranker thus sees each channel as it is in use: on compounds that the channel never saw. The library is
that of pre-training, so no evaluation compound is ever a candidate. Needs RDKit, for fragments.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models_ml.checkpoint_info import TWIN_FOLDER
from models_ml.ranking.absence import AbsenceClassifier
from models_ml.ranking.features import ListEvidence
from models_ml.ranking.model import RANKING_FILE, RankingModel, load_ranking, save_ranking
from models_ml.training.ranking.absence import train_absence_classifiers
from models_ml.training.ranking.evidence import drop_channels, fingerprint_evidence
from models_ml.training.ranking.fingerprint_heads import HeadTrainer
from models_ml.training.ranking.fragment_channels import fragment_evidence, train_fragment_channels
from models_ml.training.ranking.material import Material, prepare_material
from models_ml.training.ranking.rankers import ranker_without, train_rankers
from models_ml.training.settings import RankingSettings
from models_ml.training.settings_file import provenance, to_json


def train_ranking(settings: RankingSettings) -> None:
    """Write ranking.safetensors into the checkpoint and its hash into config.json.

    A blind ranking goes into the folder of the checkpoint's twin. Further seeds go into copies of the
    checkpoint beside it, NAME-seedN. The first seed takes 40 minutes on a core, each further one 15.

    With `channels_of`, which needs such copies too, only rankers and absence classifiers learn: for a new
    contrastive model. With `keep_rankers`, only the absence classifiers learn: the rankers must have been
    trained with this contrastive model.
    """
    material = prepare_material(settings)
    for number, seed in enumerate(settings.seeds):
        checkpoint = _of_seed(settings.checkpoint, number, seed)
        if number:
            shutil.copytree(settings.checkpoint, checkpoint, dirs_exist_ok=True)
        if settings.channels_of is None:
            channels = train_channels(material, settings, seed)
        else:
            channels = _load_channels(_of_seed(settings.channels_of, number, seed), blind=settings.blind)
        model = train_on_channels(material, channels, settings, seed)
        folder = checkpoint / TWIN_FOLDER if settings.blind else checkpoint
        digest = save_ranking(folder, model)
        if not settings.blind:
            _record_in_config(checkpoint / "config.json", digest, settings, seed)
        print(f"{folder / RANKING_FILE}: {digest}")


def train_channels(material: Material, settings: RankingSettings, seed: int) -> RankingModel:
    """A ranking model without rankers."""
    rng = np.random.default_rng(seed)
    trainer = HeadTrainer.build(
        material.data, material.tokens, material.shown, settings.hold_out, settings.heads
    )
    heads = trainer.train(settings.n_heads, seed, rng, blind=settings.blind)
    scorer = predicted = None
    if material.training_lists is not None:
        scorer, predicted = train_fragment_channels(
            material.training_lists, settings.predicted_peaks, seed, rng
        )
    return RankingModel(material.tokens.vocabulary, heads, scorer, predicted, [])


def train_on_channels(
    material: Material, channels: RankingModel, settings: RankingSettings, seed: int
) -> RankingModel:
    """`channels` with rankers and absence classifiers that learn from the values of these channels."""
    evidence = _all_evidence(material, channels)
    truths = [candidate_list.truth for candidate_list in material.lists]
    spectra = [candidate_list.spectrum for candidate_list in material.lists]
    unseen_by = ranker_without(material.data.spectra.compound[spectra], settings.n_rankers, seed)
    rankers = channels.rankers
    if not settings.keep_rankers:
        rankers = train_rankers(evidence, truths, unseen_by, settings, seed)
    classifiers: Sequence[AbsenceClassifier] = ()
    if not settings.blind:
        classifiers = train_absence_classifiers(
            evidence,
            truths,
            rankers,
            unseen_by,
            lambda of_list, rng: drop_channels(of_list, settings, rng),
            seed,
        )
    return replace(channels, rankers=rankers, absence_classifiers=classifiers)


def _all_evidence(material: Material, channels: RankingModel) -> list[ListEvidence]:
    evidence = fingerprint_evidence(
        material.evidence, material.data, material.lists, channels.heads, material.tokens
    )
    if material.fragmented is None or channels.scorer is None or channels.predicted is None:
        return evidence
    return fragment_evidence(evidence, material.fragmented, channels.scorer, channels.predicted)


def _load_channels(checkpoint: Path, *, blind: bool) -> RankingModel:
    folder = checkpoint / TWIN_FOLDER if blind else checkpoint
    channels = load_ranking(folder)
    if channels is None:
        raise FileNotFoundError(
            f"{folder / RANKING_FILE} is missing: run `ranking` on that checkpoint first."
        )
    return channels


def _of_seed(checkpoint: Path, number: int, seed: int) -> Path:
    """The checkpoint of the first seed, or the copy of a further one."""
    return checkpoint.with_name(f"{checkpoint.name}-seed{seed}") if number else checkpoint


def _record_in_config(path: Path, digest: str, settings: RankingSettings, seed: int) -> None:
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    config["ranking_sha256"] = digest
    config["training"]["ranking"] = provenance(to_json(settings)) | {"seed": seed}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
