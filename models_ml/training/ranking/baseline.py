"""Trains fingerprint heads without decoys: a baseline of the evaluation."""

from __future__ import annotations

import numpy as np

from models_ml.ranking.model import RANKING_FILE, RankingModel, save_ranking
from models_ml.training.ranking.data import TrainingData
from models_ml.training.ranking.fingerprint_heads import HeadTrainer, SpectrumTokens, vocabulary_of
from models_ml.training.settings import BaselineSettings


def train_baseline(settings: BaselineSettings) -> None:
    """Write the heads as a ranking file without rankers into `settings.out`."""
    data = TrainingData.load(settings.data)
    shown = np.flatnonzero(data.folds[data.spectra.compound] != settings.hold_out)
    tokens = SpectrumTokens(data.spectra, vocabulary_of(data.spectra, shown))
    trainer = HeadTrainer.build(data, tokens, shown, settings.hold_out, settings.heads)
    heads = trainer.train(settings.n_heads, settings.seed, np.random.default_rng(settings.seed), blind=False)
    digest = save_ranking(settings.out, RankingModel(tokens.vocabulary, heads, None, None, []))
    print(f"{settings.out / RANKING_FILE}: {digest}")
