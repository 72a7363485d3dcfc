"""Rankings of each method on each set of cases, by the model and by its blind twin. Each is computed once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models_ml.checkpoint_info import TWIN_FOLDER, WEIGHTS_FILE, BrokenCheckpoint
from models_ml.evaluate.cases import Case, remove_peaks
from models_ml.evaluate.methods.context import MethodContext
from models_ml.evaluate.methods.registry import BLIND, FUSED, METHODS, NEED_NETWORKS, NEED_RANKING, WITH_TWIN
from models_ml.evaluate.ranking import Ranking
from models_ml.evaluate.vectors import MoleculeVectors, encoder_hash
from models_ml.inference.checkpoint import GlmrModel, load_checkpoint
from models_ml.ranking.model import RANKING_FILE, load_ranking


@dataclass(frozen=True, slots=True, eq=False)
class Twin:
    """The blind control: trained like the model, but without peaks."""

    model: GlmrModel
    # False: only the ranking was trained blind. Then `fused` of the twin, the best blind ranking, is also the
    # control of retrieval and generation.
    has_networks: bool = True

    @property
    def name(self) -> str:
        return self.model.name if self.has_networks else f"{self.model.name}, ranking trained blind"

    @property
    def sha256(self) -> str:
        ranking = self.model.ranking
        return self.model.sha256 if self.has_networks or ranking is None else ranking.sha256


def load_twin(model: GlmrModel, folder: Path | None) -> Twin | None:
    """The twin in `folder`, by default the one in the checkpoint of the model. None if there is none.

    Raises BrokenCheckpoint if the folder holds something else.
    """
    folder = folder or model.info.folder / TWIN_FOLDER
    if not folder.is_dir():
        return None
    if (folder / WEIGHTS_FILE).exists():
        return Twin(load_checkpoint(folder, device=model.device))
    ranking = load_ranking(folder)
    if ranking is None or not ranking.is_blind:
        raise BrokenCheckpoint(
            f"{folder} holds no blind twin: it needs {WEIGHTS_FILE}, or {RANKING_FILE} trained with --blind."
        )
    return Twin(
        GlmrModel(model.network, model.tokenizer, model.info, model.device, ranking), has_networks=False
    )


def blind_context(context: MethodContext, twin: Twin) -> MethodContext:
    """The context of the twin. It has no references, because their use needs peaks.

    It uses the same molecule embeddings if the twin has the same molecule encoder.
    """
    vectors = context.vectors
    if twin.has_networks and encoder_hash(twin.model) != encoder_hash(context.model):
        vectors = MoleculeVectors(twin.model, context.library, vectors.cache)
    return replace(context, model=twin.model, vectors=vectors, references=None, is_blind=True)


class Runs:
    """Runs methods on sets of cases, and stores the rankings.

    `sets`: cases by name. `main`: the method whose twin is the control of methods without a twin.
    """

    def __init__(
        self, sets: Mapping[str, Sequence[Case]], context: MethodContext, twin: Twin | None, *, main: str
    ) -> None:
        self.sets = sets
        self.context = context
        self.twin = twin
        self.blind_context = None if twin is None else blind_context(context, twin)
        self.main = main if twin is None or twin.has_networks else FUSED
        self.seconds: dict[tuple[str, str, bool], float] = {}
        self._rankings: dict[tuple[str, str, bool], list[Ranking]] = {}

    def of(self, method: str, cases: str) -> list[Ranking]:
        """Rankings of the set `cases`. The row `blind` is the twin of the main method."""
        if method == BLIND:
            return self._run(self.main, cases, blind=True)
        return self._run(method, cases, blind=False)

    def twin_of(self, method: str) -> str | None:
        """The method that the twin runs as the control of this method; None without a twin."""
        if self.twin is None:
            return None
        has_own = method in WITH_TWIN
        if method in NEED_RANKING:
            has_own = self.twin.model.ranking is not None
        elif method in NEED_NETWORKS:
            has_own = self.twin.has_networks
        return method if has_own else self.main

    def blind_of(self, method: str, cases: str) -> list[Ranking] | None:
        """Rankings of the control of this method; None without a twin."""
        twin = self.twin_of(method)
        return None if twin is None else self.blind(twin, cases)

    def blind(self, method: str, cases: str) -> list[Ranking]:
        """Rankings of the method by the twin."""
        return self._run(method, cases, blind=True)

    def seconds_of(self, method: str, cases: str) -> float:
        """Duration of the ranking."""
        return self.seconds[(self.main, cases, True) if method == BLIND else (method, cases, False)]

    def _run(self, method: str, cases: str, *, blind: bool) -> list[Ranking]:
        key = (method, cases, blind)
        if key not in self._rankings:
            selected = self.sets[cases]
            started = time.perf_counter()
            if not blind:
                self._rankings[key] = METHODS[method](selected, self.context)
            elif self.blind_context is not None:
                self._rankings[key] = METHODS[method](remove_peaks(selected), self.blind_context)
            else:
                raise ValueError(f"{method} has no blind twin: name its checkpoint with --blind.")
            self.seconds[key] = time.perf_counter() - started
        return self._rankings[key]
