"""The trained parts of the fused ranking, stored in one safetensors file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models_ml.checkpoint_info import BrokenCheckpoint, file_sha256
from models_ml.evidence.peak_bins import BinVocabulary, bin_spectra
from models_ml.networks.fingerprint_head import FingerprintHead, FingerprintHeadConfig
from models_ml.networks.fragment_intensity import PredictedPeaksScorer
from models_ml.networks.fragment_scorer import FragmentScorer
from models_ml.ranking.absence import AbsenceClassifier, absence_numbers
from models_ml.ranking.features import ListEvidence, ranker_numbers
from models_ml.ranking.ranker import ABSENT_PRIOR, Ranker, odds, pad_lists
from models_ml.spectra.features import SpectrumFeatures

RANKING_FILE = "ranking.safetensors"
# Prefix of absence classifiers in the file: their name when the format was made. Stored checkpoints have it.
ABSENCE_KEY = "judge"  # stored name
_N_ABSENCE_KEY = f"{ABSENCE_KEY}s"
_N_TABLES = 4
_SCALE = "_scale"

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, slots=True, eq=False)
class RankingModel:
    """Everything that `fused` needs besides the GLMR networks. `sha256` is the hash of the file."""

    vocabulary: BinVocabulary
    heads: Sequence[FingerprintHead]
    scorer: FragmentScorer | None  # None: the blind control
    predicted: PredictedPeaksScorer | None  # None: the blind control
    rankers: Sequence[Ranker]
    # Empty: the rankers also give the probability of absence, as in the blind control.
    absence_classifiers: Sequence[AbsenceClassifier] = ()
    sha256: str = ""

    @property
    def is_blind(self) -> bool:
        """The control: its heads read no peaks, and it has no other channel."""
        return self.scorer is None or self.predicted is None

    def log_odds(
        self, features: Sequence[SpectrumFeatures], neutral_mass: Sequence[float]
    ) -> NDArray[np.float32]:
        """Log odds of the molecule's Morgan bits, (B, 2048): the mean of the heads."""
        binned = bin_spectra(features, neutral_mass, self.vocabulary)
        with torch.inference_mode():
            mean: NDArray[np.float32] = torch.stack([head(binned) for head in self.heads]).mean(0).numpy()
        return mean

    def probabilities(self, lists: Sequence[ListEvidence]) -> list[NDArray[np.float64]]:
        """Probabilities of the C candidates and of "none of these", (C + 1,), at the prior ABSENT_PRIOR."""
        ranked = rank_lists(self.rankers, lists)
        if not self.absence_classifiers:
            return ranked
        numbers = [absence_numbers(evidence, p) for evidence, p in zip(lists, ranked, strict=True)]
        with torch.inference_mode():
            rows = torch.from_numpy(np.stack(numbers))
            classified = torch.stack([classifier(rows) for classifier in self.absence_classifiers])
            log_odds = classified.double().mean(0)
        absent = torch.sigmoid(log_odds + math.log(odds(ABSENT_PRIOR))).numpy()
        return [
            np.append(p[:-1] / p[:-1].sum() * (1 - p_absent), p_absent)
            for p, p_absent in zip(ranked, absent, strict=True)
        ]


def rank_lists(rankers: Sequence[Ranker], lists: Sequence[ListEvidence]) -> list[NDArray[np.float64]]:
    """Probabilities of the C candidates and of "none of these", (C + 1,): the mean of the rankers."""
    numbers, list_numbers, keep = pad_lists([ranker_numbers(evidence) for evidence in lists])
    with torch.inference_mode():
        ranked = torch.stack([ranker(numbers, list_numbers, keep).exp() for ranker in rankers])
        mean = ranked.double().mean(0).numpy()
    return [
        np.append(row[: evidence.n_candidates], row[-1]) for evidence, row in zip(lists, mean, strict=True)
    ]


def save_ranking(folder: Path, model: RankingModel) -> str:
    """Write the file, the heads' bags of bins in 8 bits with one scale for each row. Returns its SHA-256."""
    tensors: dict[str, Tensor] = {
        f"bins.{number}": torch.from_numpy(table) for number, table in enumerate(model.vocabulary.bins)
    }
    for number, head in enumerate(model.heads):
        tensors.update(_compressed(head, f"head.{number}"))
    if model.scorer is not None:
        _put(tensors, "scorer", model.scorer)
    if model.predicted is not None:
        _put(tensors, "predicted", model.predicted)
    for number, ranker in enumerate(model.rankers):
        _put(tensors, f"ranker.{number}", ranker)
    for number, classifier in enumerate(model.absence_classifiers):
        _put(tensors, f"{ABSENCE_KEY}.{number}", classifier)
    about = {
        "heads": [head.config.to_dict() for head in model.heads],
        "rankers": len(model.rankers),
        _N_ABSENCE_KEY: len(model.absence_classifiers),
        "blind": model.is_blind,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RANKING_FILE
    save_file({key: value.contiguous() for key, value in tensors.items()}, path, {"about": json.dumps(about)})
    path.chmod(0o644)
    return file_sha256(path)


def load_ranking(folder: Path, expected_sha256: str | None = None) -> RankingModel | None:
    """None if the checkpoint has no fused ranking. Raises BrokenCheckpoint if the hash does not match."""
    path = folder / RANKING_FILE
    if not path.exists():
        return None
    digest = file_sha256(path)
    if expected_sha256 and digest != expected_sha256:
        raise BrokenCheckpoint(f"{path} is not the file that config.json names. Copy the checkpoint again.")
    with safe_open(path, framework="pt") as stored:
        about = json.loads(stored.metadata()["about"])
    tensors = _decompressed(load_file(path))
    is_blind = about["blind"]
    return RankingModel(
        vocabulary=BinVocabulary(tuple(tensors[f"bins.{n}"].numpy() for n in range(_N_TABLES))),
        heads=[
            _load(FingerprintHead(FingerprintHeadConfig(**config)), tensors, f"head.{number}")
            for number, config in enumerate(about["heads"])
        ],
        scorer=None if is_blind else _load(FragmentScorer(), tensors, "scorer"),
        predicted=None if is_blind else _load(PredictedPeaksScorer(), tensors, "predicted"),
        rankers=[_load(Ranker(), tensors, f"ranker.{n}") for n in range(about["rankers"])],
        absence_classifiers=[
            _load(AbsenceClassifier(), tensors, f"{ABSENCE_KEY}.{n}")
            for n in range(about.get(_N_ABSENCE_KEY, 0))
        ],
        sha256=digest,
    )


def _compressed(head: FingerprintHead, prefix: str) -> dict[str, Tensor]:
    """The bag of bins in 8 bits with its scales, other matrices as bfloat16."""
    tensors: dict[str, Tensor] = {}
    for key, value in head.state_dict().items():
        name = f"{prefix}.{key}"
        if key == "bag.weight":
            scale = value.abs().amax(dim=1).clamp(min=1e-9) / 127
            tensors[name] = (value / scale[:, None]).round().to(torch.int8)
            tensors[name + _SCALE] = scale
        else:
            tensors[name] = value.bfloat16() if value.dim() > 1 else value
    return tensors


def _decompressed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with the scales of `_compressed` applied and removed."""
    scales = {key.removesuffix(_SCALE): value for key, value in tensors.items() if key.endswith(_SCALE)}
    return {
        key: value.float() * scales[key][:, None] if key in scales else value
        for key, value in tensors.items()
        if not key.endswith(_SCALE)
    }


def _put(tensors: dict[str, Tensor], prefix: str, module: nn.Module) -> None:
    tensors.update({f"{prefix}.{key}": value for key, value in module.state_dict().items()})


def _load(module: M, tensors: Mapping[str, Tensor], prefix: str) -> M:
    weights = {
        key.removeprefix(f"{prefix}."): value.float()
        for key, value in tensors.items()
        if key.startswith(f"{prefix}.")
    }
    module.load_state_dict(weights)
    module.eval().requires_grad_(False)
    return module
