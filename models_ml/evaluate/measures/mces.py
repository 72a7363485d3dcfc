"""MCES distance of the first candidate and the truth (myopic-mces), for a limited number of pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

# As in MassSpecGym: above this distance, a lower bound replaces the distance.
THRESHOLD = 15
TIME_LIMIT_S = 10
MISSING = "myopic-mces is not installed. Install it from requirements/dev.lock"


@dataclass(frozen=True, slots=True)
class MeanMces:
    mean: float
    n_spectra: int  # number of spectra in the mean, drawn at random
    n_pairs: int  # number of distinct pairs of different molecules among them, computed now or earlier
    values: list[tuple[int, float]]  # (index of the spectrum, distance)


@dataclass(slots=True)
class MCESDistances:
    """Distances by pair of SMILES, stored in a file between runs."""

    file: Path | None = None
    known: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file is not None and self.file.exists():
            self.known.update(json.loads(self.file.read_text(encoding="utf-8")))

    def mean(self, pairs: Sequence[tuple[str, str] | None], *, limit: int, seed: int) -> MeanMces | None:
        """Mean over spectra in random order, until `limit` distinct pairs are used. None without any pair.

        A pair is (first candidate, truth) as SMILES. None: the spectrum has no candidate and does not count.
        """
        used: set[str] = set()
        values: list[tuple[int, float]] = []
        order = np.random.default_rng(seed).permutation(len(pairs)).tolist()
        for index in tqdm(order, "mces"):
            pair = pairs[index]
            if pair is None:
                continue
            name = " ".join(sorted(pair))
            if pair[0] != pair[1] and name not in used:
                if len(used) >= limit:
                    break  # to continue with known pairs only would favour molecules with many spectra
                used.add(name)
            values.append((index, self._distance(pair, name)))
        if not values:
            return None
        self._save()
        return MeanMces(float(np.mean([value for _, value in values])), len(values), len(used), values)

    def _distance(self, pair: tuple[str, str], name: str) -> float:
        if pair[0] == pair[1]:
            return 0.0
        if name not in self.known:
            self.known[name] = mces_distance(*pair)
        return self.known[name]

    def _save(self) -> None:
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(json.dumps(self.known, indent=0, sort_keys=True), encoding="utf-8")


def mces_distance(first: str, second: str) -> float:
    """Number of bonds to remove or change; 0 for equal molecules. Raises ImportError without myopic-mces.

    If the solver needs more than ten seconds, the result is a lower bound.
    """
    import pulp
    from myopic_mces import MCES

    # PuLP's own solver. Only under this name does myopic-mces pass a time limit to it.
    options = {"msg": False, "threads": 1, "timeLimit": TIME_LIMIT_S, "path": pulp.PULP_CBC_CMD().path}
    _, distance, _, _ = MCES(
        first,
        second,
        threshold=THRESHOLD,
        always_stronger_bound=True,
        solver="COIN_CMD",
        solver_options=options,
    )
    return max(float(distance), 0.0)
