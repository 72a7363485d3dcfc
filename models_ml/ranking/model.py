"""The fused ranking's trained parts, one safetensors file: heads, scorers, rankers, judges of absence."""

from __future__ import annotations

import hashlib
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

from models_ml.checkpoint_info import BrokenCheckpoint
from models_ml.evidence.peak_bins import BinVocabulary, bin_spectra
from models_ml.networks.fingerprint_head import FingerprintHead, FingerprintHeadConfig
from models_ml.networks.fragment_intensity import PredictedPeaksScorer
from models_ml.networks.fragment_scorer import FragmentScorer
from models_ml.ranking.absence import AbsenceClassifier, absence_numbers
from models_ml.ranking.features import ListEvidence, ranker_numbers
from models_ml.ranking.ranker import ABSENT_PRIOR, Ranker, odds, pad_lists
from models_ml.spectra.features import SpectrumFeatures

RANKING_FILE = "ranking.safetensors"
_N_TABLES = 4

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, slots=True, eq=False)
class RankingModel:
    """Everything that `fused` needs beside GLMR's own networks. `sha256` is the file's."""

    vocabulary: BinVocabulary
    heads: Sequence[FingerprintHead]
    scorer: FragmentScorer | None  # None: the spectrum-blind control
    predicted: PredictedPeaksScorer | None  # None: likewise
    rankers: Sequence[Ranker]
    judges: Sequence[
        AbsenceClassifier
    ] = ()  # none: what the rankers say of absence counts, as in the control
    sha256: str = ""

    @property
    def is_blind(self) -> bool:
        """The control: heads that never see a peak, and no channel beside them."""
        return self.scorer is None or self.predicted is None

    def log_odds(
        self, features: Sequence[SpectrumFeatures], neutral_mass: Sequence[float]
    ) -> NDArray[np.float32]:
        """Of the molecule's Morgan bits, (B, 2048), the heads' mean."""
        binned = bin_spectra(features, neutral_mass, self.vocabulary)
        with torch.inference_mode():
            mean: NDArray[np.float32] = torch.stack([head(binned) for head in self.heads]).mean(0).numpy()
        return mean

    def probabilities(self, lists: Sequence[ListEvidence]) -> list[NDArray[np.float64]]:
        """Of each list's C candidates and of none of them, (C + 1,), at the stated prior of absence."""
        ranked = rank_lists(self.rankers, lists)
        if not self.judges:
            return ranked
        numbers = [absence_numbers(one, said) for one, said in zip(lists, ranked, strict=True)]
        with torch.inference_mode():
            rows = torch.from_numpy(np.stack(numbers))
            log_odds = torch.stack([judge(rows) for judge in self.judges]).double().mean(0)
        absent = torch.sigmoid(log_odds + math.log(odds(ABSENT_PRIOR))).numpy()
        return [
            np.append(said[:-1] / said[:-1].sum() * (1 - none), none)
            for said, none in zip(ranked, absent, strict=True)
        ]


def rank_lists(rankers: Sequence[Ranker], lists: Sequence[ListEvidence]) -> list[NDArray[np.float64]]:
    """Of each list's C candidates and of none of them, (C + 1,): the rankers' mean."""
    padded, of_lists, keep = pad_lists([ranker_numbers(one) for one in lists])
    with torch.inference_mode():
        mean = torch.stack([ranker(padded, of_lists, keep).exp() for ranker in rankers]).double().mean(0)
    return [np.append(row[: one.n_candidates], row[-1]) for one, row in zip(lists, mean.numpy(), strict=True)]


def save_ranking(folder: Path, model: RankingModel) -> str:
    """Write the file, bags of bins as 8-bit rows with a scale each. Returns its SHA-256."""
    tensors: dict[str, Tensor] = {
        f"bins.{number}": torch.from_numpy(table) for number, table in enumerate(model.vocabulary.bins)
    }
    for number, head in enumerate(model.heads):
        for key, value in head.state_dict().items():
            name = f"head.{number}.{key}"
            if key == "bag.weight":
                scale = value.abs().amax(dim=1).clamp(min=1e-9) / 127
                tensors[name] = (value / scale[:, None]).round().to(torch.int8)
                tensors[f"{name}_scale"] = scale
            else:
                tensors[name] = value.bfloat16() if value.dim() > 1 else value
    if model.scorer is not None:
        _put(tensors, "scorer", model.scorer)
    if model.predicted is not None:
        _put(tensors, "predicted", model.predicted)
    for number, ranker in enumerate(model.rankers):
        _put(tensors, f"ranker.{number}", ranker)
    for number, judge in enumerate(model.judges):
        _put(tensors, f"judge.{number}", judge)
    about = {
        "heads": [head.config.to_dict() for head in model.heads],
        "rankers": len(model.rankers),
        "judges": len(model.judges),
        "blind": model.is_blind,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RANKING_FILE
    save_file({key: value.contiguous() for key, value in tensors.items()}, path, {"about": json.dumps(about)})
    path.chmod(0o644)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_ranking(folder: Path, expected_sha256: str | None = None) -> RankingModel | None:
    """None if the checkpoint has no fused ranking. Raises BrokenCheckpoint if the file was changed."""
    path = folder / RANKING_FILE
    if not path.exists():
        return None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if expected_sha256 and digest != expected_sha256:
        raise BrokenCheckpoint(f"{path} is not the file that config.json names. Copy the checkpoint again.")
    with safe_open(path, framework="pt") as stored:
        about = json.loads(stored.metadata()["about"])
    tensors = load_file(path)
    for key in [key for key in tensors if key.endswith("_scale")]:
        scale = tensors.pop(key)
        name = key.removesuffix("_scale")
        tensors[name] = tensors[name].float() * scale[:, None]
    heads = [
        _load(FingerprintHead(FingerprintHeadConfig(**config)), tensors, f"head.{number}")
        for number, config in enumerate(about["heads"])
    ]
    return RankingModel(
        vocabulary=BinVocabulary(tuple(tensors[f"bins.{n}"].numpy() for n in range(_N_TABLES))),
        heads=heads,
        scorer=None if about["blind"] else _load(FragmentScorer(), tensors, "scorer"),
        predicted=None if about["blind"] else _load(PredictedPeaksScorer(), tensors, "predicted"),
        rankers=[_load(Ranker(), tensors, f"ranker.{n}") for n in range(about["rankers"])],
        judges=[_load(AbsenceClassifier(), tensors, f"judge.{n}") for n in range(about.get("judges", 0))],
        sha256=digest,
    )


def _put(tensors: dict[str, Tensor], prefix: str, module: nn.Module) -> None:
    tensors.update({f"{prefix}.{key}": value for key, value in module.state_dict().items()})


def _load(module: M, tensors: Mapping[str, Tensor], prefix: str) -> M:
    own = {
        key.removeprefix(f"{prefix}."): value.float()
        for key, value in tensors.items()
        if key.startswith(f"{prefix}.")
    }
    module.load_state_dict(own)
    module.eval().requires_grad_(False)
    return module
