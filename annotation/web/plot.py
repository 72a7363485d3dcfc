"""A spectrum as a drawing: sticks, axes and labels in view units, for the template to write as SVG.

The browser's script redraws from the same numbers when zoomed; without it this picture stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from annotation.spectra.models import Spectrum

WIDTH, HEIGHT = 960, 340
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 44, 40
# More sticks than pixels help nobody; the faintest go first and the page says how many.
MAX_STICKS = 1000
MAX_LABELS = 14
LABEL_GAP = 62  # view units that a label needs for itself


@dataclass(frozen=True)
class Explanation:
    """What a candidate's fragments say of one peak."""

    formula: str
    error_ppm: float
    atoms: tuple[int, ...] = ()  # of the fragment, in the order of the candidate's SMILES

    @property
    def atom_list(self) -> str:
        return ".".join(map(str, self.atoms))


@dataclass(frozen=True)
class Stick:
    mz: float
    intensity: float
    percent: float  # of the base peak
    x: float
    y: float
    is_base: bool
    explanation: Explanation | None = None


@dataclass(frozen=True)
class Tick:
    value: str
    x: float


@dataclass(frozen=True)
class Label:
    text: str
    x: float
    y: float
    explained: bool


@dataclass(frozen=True)
class Plot:
    sticks: list[Stick]
    ticks: list[Tick]
    labels: list[Label]
    low: float
    high: float
    precursor_mz: float | None
    precursor_x: float | None
    base_mz: float | None
    n_peaks: int
    n_hidden: int
    explained_percent: float | None = None
    n_explained: int = 0
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM
    percent_ticks: list[tuple[int, float]] = field(default_factory=list)

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2

    @property
    def strongest(self) -> list[Stick]:
        """For the table beside the plot: strongest first."""
        return sorted(self.sticks, key=lambda stick: -stick.intensity)


def draw(spectrum: Spectrum, explanations: Mapping[int, Explanation] | None = None) -> Plot:
    """`explanations` by the peak's index in the file. None: no candidate was asked about."""
    mz, intensity = np.asarray(spectrum.mz), np.asarray(spectrum.intensity)
    usable = np.flatnonzero(np.isfinite(mz) & np.isfinite(intensity) & (intensity > 0))
    kept = usable[np.argsort(-intensity[usable], kind="stable")[:MAX_STICKS]]
    kept = kept[np.argsort(mz[kept], kind="stable")]
    low, high = _range(mz[kept], spectrum.precursor_mz)
    base = kept[np.argmax(intensity[kept])] if kept.size else None
    highest = float(intensity[base]) if base is not None else 1.0
    told = explanations or {}
    sticks = [
        Stick(
            mz=float(mz[i]),
            intensity=float(intensity[i]),
            percent=100 * float(intensity[i]) / highest,
            x=_x(float(mz[i]), low, high),
            y=_y(float(intensity[i]) / highest),
            is_base=bool(i == base),
            explanation=told.get(int(i)),
        )
        for i in kept
    ]
    total = float(intensity[usable].sum())
    named = [i for i in usable if int(i) in told]
    precursor = spectrum.precursor_mz
    return Plot(
        sticks=sticks,
        ticks=[Tick(f"{value:g}", _x(value, low, high)) for value in ticks(low, high)],
        labels=_labels(sticks),
        low=low,
        high=high,
        precursor_mz=precursor,
        precursor_x=None if precursor is None else _x(precursor, low, high),
        base_mz=None if base is None else float(mz[base]),
        n_peaks=int(mz.size),
        n_hidden=int(usable.size - kept.size),
        explained_percent=(
            None if explanations is None or not total else 100 * float(intensity[named].sum()) / total
        ),
        n_explained=len(named),
        percent_ticks=[(percent, _y(percent / 100)) for percent in (0, 25, 50, 75, 100)],
    )


def ticks(low: float, high: float, about: int = 9) -> list[float]:
    """Round numbers within the range: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / about * (1 - 1e-9)  # 1.8 / 9 is a little more than 0.2
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    first = np.ceil(low / step)
    return [float(round(n * step, 6)) for n in np.arange(first, np.floor(high / step) + 1)]


def _range(mz: np.ndarray[tuple[int], np.dtype[np.float64]], precursor: float | None) -> tuple[float, float]:
    values = [*(mz[[0, -1]].tolist() if mz.size else []), *([precursor] if precursor else [])]
    if not values:
        return 0.0, 100.0
    low, high = min(values), max(values)
    margin = max(0.04 * (high - low), 2.0)
    return max(0.0, low - margin), high + margin


def _x(mz: float, low: float, high: float) -> float:
    return round(LEFT + (mz - low) / (high - low) * (WIDTH - LEFT - RIGHT), 2)


def _y(fraction: float) -> float:
    return round(HEIGHT - BOTTOM - fraction * (HEIGHT - BOTTOM - TOP), 2)


def _labels(sticks: list[Stick]) -> list[Label]:
    """The strongest peaks by name, explained ones first, none on top of another."""
    labels: list[Label] = []
    by_worth = sorted(sticks, key=lambda s: (not s.is_base, s.explanation is None, -s.intensity))
    for stick in by_worth:
        if len(labels) == MAX_LABELS:
            break
        if stick.percent < 3 or any(abs(stick.x - other.x) < LABEL_GAP for other in labels):
            continue
        text = stick.explanation.formula if stick.explanation else f"{stick.mz:.4f}"
        x = min(max(stick.x, LEFT + 24), WIDTH - RIGHT - 24)
        labels.append(Label(text, x, round(stick.y - 7, 2), stick.explanation is not None))
    return labels
