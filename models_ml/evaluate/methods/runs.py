"""Rankings of every method on every set of cases, each computed once, by the model and by its blind twin."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models_ml.checkpoint_info import TWIN_FOLDER, WEIGHTS_FILE, BrokenCheckpoint
from models_ml.evaluate.cases import Case, take_peaks_off
from models_ml.evaluate.methods.bench import Bench
from models_ml.evaluate.methods.registry import BLIND, FUSED, METHODS, NEED_NETWORKS, NEED_RANKING, WITH_TWIN
from models_ml.evaluate.ranking import Ranking
from models_ml.evaluate.vectors import MoleculeVectors, encoder_hash
from models_ml.inference.checkpoint import GlmrModel, load_checkpoint
from models_ml.ranking.model import RANKING_FILE, load_ranking


@dataclass(frozen=True, slots=True, eq=False)
class Twin:
    """The control: trained as the model was, without ever seeing a peak."""

    model: GlmrModel
    # False: only the ranking was trained blind. The strongest blind ranker, `fused` of the twin, is then the
    # control of retrieval and generation too.
    has_networks: bool = True

    @property
    def name(self) -> str:
        return self.model.name if self.has_networks else f"{self.model.name}, ranking trained blind"

    @property
    def sha256(self) -> str:
        ranking = self.model.ranking
        return self.model.sha256 if self.has_networks or ranking is None else ranking.sha256


def load_twin(model: GlmrModel, folder: Path | None) -> Twin | None:
    """The twin in `folder`; without a folder the one that the model's own checkpoint carries, if it does."""
    folder = folder or model.info.folder / TWIN_FOLDER
    if not folder.is_dir():
        return None
    if (folder / WEIGHTS_FILE).exists():
        return Twin(load_checkpoint(folder, device=model.device))
    ranking = load_ranking(folder)
    if ranking is None or not ranking.is_blind:
        raise BrokenCheckpoint(
            f"{folder} holds no blind twin: neither {WEIGHTS_FILE} nor a {RANKING_FILE} trained with --blind."
        )
    return Twin(
        GlmrModel(model.network, model.tokenizer, model.info, model.device, ranking), has_networks=False
    )


def blind_bench(bench: Bench, twin: Twin) -> Bench:
    """The bench of the twin. It gets no references: they would be compared with peaks that it must not see.

    The molecules' vectors serve again if the twin has its molecule encoder from the model.
    """
    vectors = bench.vectors
    if twin.has_networks and encoder_hash(twin.model) != encoder_hash(bench.model):
        vectors = MoleculeVectors(twin.model, bench.library, vectors.cache)
    return replace(bench, model=twin.model, vectors=vectors, references=None, is_blind=True)


class Runs:
    """`sets`: cases by name. `main`: the method whose twin is the control of methods that have none."""

    def __init__(
        self, sets: Mapping[str, Sequence[Case]], bench: Bench, twin: Twin | None, *, main: str
    ) -> None:
        self.sets = sets
        self.bench = bench
        self.twin = twin
        self.blind_bench = None if twin is None else blind_bench(bench, twin)
        self.main = main if twin is None or twin.has_networks else FUSED
        self.seconds: dict[tuple[str, str, bool], float] = {}
        self._rankings: dict[tuple[str, str, bool], list[Ranking]] = {}

    def of(self, method: str, cases: str) -> list[Ranking]:
        """Rankings of the set `cases`. The row `blind` is the twin of the main method."""
        if method == BLIND:
            return self._run(self.main, cases, blind=True)
        return self._run(method, cases, blind=False)

    def twin_of(self, method: str) -> str | None:
        """The method whose twin is this method's control; None: there is no twin."""
        if self.twin is None:
            return None
        has_own = method in WITH_TWIN
        if method in NEED_RANKING:
            has_own = self.twin.model.ranking is not None
        elif method in NEED_NETWORKS:
            has_own = self.twin.has_networks
        return method if has_own else self.main

    def blind_of(self, method: str, cases: str) -> list[Ranking] | None:
        twin = self.twin_of(method)
        return None if twin is None else self.blind(twin, cases)

    def blind(self, method: str, cases: str) -> list[Ranking]:
        """As the twin runs a method of its own."""
        return self._run(method, cases, blind=True)

    def seconds_of(self, method: str, cases: str) -> float:
        """That the ranking took."""
        return self.seconds[(self.main, cases, True) if method == BLIND else (method, cases, False)]

    def _run(self, method: str, cases: str, *, blind: bool) -> list[Ranking]:
        key = (method, cases, blind)
        if key not in self._rankings:
            chosen = self.sets[cases]
            started = time.perf_counter()
            if not blind:
                self._rankings[key] = METHODS[method](chosen, self.bench)
            elif self.blind_bench is not None:
                self._rankings[key] = METHODS[method](take_peaks_off(chosen), self.blind_bench)
            else:
                raise ValueError(f"{method} has no blind twin; its checkpoint was not given.")
            self.seconds[key] = time.perf_counter() - started
        return self._rankings[key]
