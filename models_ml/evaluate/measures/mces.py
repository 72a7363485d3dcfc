"""MCES distance of the first candidate to the truth (myopic-mces), for as many pairs as one has time for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

# As MassSpecGym: beyond this distance a lower bound stands for it.
THRESHOLD = 15
SECONDS_A_PAIR = 10
MISSING = "myopic-mces is not installed; requirements/dev.lock has it"


@dataclass(frozen=True, slots=True)
class MeanMces:
    mean: float
    n_spectra: int  # the mean is over so many, drawn at random
    n_pairs: int  # different pairs of different molecules among them, computed now or before
    values: list[tuple[int, float]]  # (place of the spectrum, distance)


@dataclass(slots=True)
class MCESDistances:
    """Distances by pair of SMILES, kept in a file between runs."""

    file: Path | None = None
    known: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file is not None and self.file.exists():
            self.known.update(json.loads(self.file.read_text(encoding="utf-8")))

    def mean(self, pairs: Sequence[tuple[str, str] | None], *, limit: int, seed: int) -> MeanMces | None:
        """Over spectra in random order until `limit` different pairs are used up; None if there are none.

        A pair is (first candidate, truth); None: the spectrum has no candidate and is left out.
        """
        used: set[str] = set()
        values: list[tuple[int, float]] = []
        order = np.random.default_rng(seed).permutation(len(pairs)).tolist()
        for place in tqdm(order, "mces"):
            pair = pairs[place]
            if pair is None:
                continue
            name = " ".join(sorted(pair))
            if pair[0] != pair[1] and name not in used:
                if len(used) >= limit:
                    break  # going on with the pairs known by chance would favour molecules with many spectra
                used.add(name)
            values.append((place, self._distance(pair, name)))
        if not values:
            return None
        self._keep()
        return MeanMces(float(np.mean([value for _, value in values])), len(values), len(used), values)

    def _distance(self, pair: tuple[str, str], name: str) -> float:
        if pair[0] == pair[1]:
            return 0.0
        if name not in self.known:
            self.known[name] = mces_distance(*pair)
        return self.known[name]

    def _keep(self) -> None:
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(json.dumps(self.known, indent=0, sort_keys=True), encoding="utf-8")


def mces_distance(first: str, second: str) -> float:
    """Bonds to take away or change, 0 for equal molecules. Raises ImportError without myopic-mces.

    A pair that the solver does not finish in ten seconds gives its lower bound.
    """
    import pulp
    from myopic_mces import MCES

    # The solver that comes with PuLP, by the name under which myopic-mces understands a time limit.
    options = {"msg": False, "threads": 1, "timeLimit": SECONDS_A_PAIR, "path": pulp.PULP_CBC_CMD().path}
    _, distance, _, _ = MCES(
        first,
        second,
        threshold=THRESHOLD,
        always_stronger_bound=True,
        solver="COIN_CMD",
        solver_options=options,
    )
    return max(float(distance), 0.0)
