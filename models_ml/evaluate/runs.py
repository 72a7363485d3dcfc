"""Rankings of every method on every set of cases, each computed once, by the model and by its blind twin."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from models_ml.evaluate.cases import Case, take_peaks_off
from models_ml.evaluate.library import Library
from models_ml.evaluate.methods import Bench
from models_ml.evaluate.ranking import Ranking
from models_ml.evaluate.registry import BLIND, METHODS, NEED_RANKING, WITH_TWIN
from models_ml.evaluate.vectors import MoleculeVectors, encoder_hash
from models_ml.inference.checkpoint import GlmrModel, load_checkpoint

# A checkpoint may carry its blind twin in this folder.
TWIN_FOLDER = "blind"


def blind_model(model: GlmrModel) -> GlmrModel | None:
    """The twin that the model's own checkpoint folder carries, if it does."""
    folder = model.info.folder / TWIN_FOLDER
    return load_checkpoint(folder, device=model.device) if folder.is_dir() else None


def blind_bench(bench: Bench, twin: GlmrModel, library: Library, vectors: MoleculeVectors) -> Bench:
    """The bench of the twin. It gets no references: they would be compared with peaks that it must not see.

    `vectors` serve again if the twin has its molecule encoder from the model.
    """
    if encoder_hash(twin) != encoder_hash(bench.model):
        vectors = MoleculeVectors(twin, library, vectors.cache)
    return replace(bench, model=twin, vectors=vectors, references=None, is_blind=True)


class Runs:
    """`sets`: cases by name. `main`: the method whose twin is the control of methods that have none."""

    def __init__(
        self, sets: Mapping[str, Sequence[Case]], bench: Bench, blind: Bench | None, *, main: str
    ) -> None:
        self.sets = sets
        self.bench = bench
        self.blind = blind
        self.main = main
        self.seconds: dict[tuple[str, str, bool], float] = {}
        self._rankings: dict[tuple[str, str, bool], list[Ranking]] = {}

    def of(self, method: str, cases: str) -> list[Ranking]:
        """Rankings of the set `cases`. The row `blind` is the twin of the main method."""
        if method == BLIND:
            return self._run(self.main, cases, blind=True)
        return self._run(method, cases, blind=False)

    def twin_of(self, method: str) -> str | None:
        """The method whose twin is this method's control; None: there is no twin."""
        if self.blind is None:
            return None
        has_own = method in WITH_TWIN and (method not in NEED_RANKING or self.blind.model.ranking is not None)
        return method if has_own else self.main

    def blind_of(self, method: str, cases: str) -> list[Ranking] | None:
        twin = self.twin_of(method)
        return None if twin is None else self._run(twin, cases, blind=True)

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
            elif self.blind is not None:
                self._rankings[key] = METHODS[method](take_peaks_off(chosen), self.blind)
            else:
                raise ValueError(f"{method} has no blind twin; its checkpoint was not given.")
            self.seconds[key] = time.perf_counter() - started
        return self._rankings[key]
