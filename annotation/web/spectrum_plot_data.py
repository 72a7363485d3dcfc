"""A spectrum as data for its plot and for the table of peaks beside it.

`plot.js` draws the picture from these numbers; nothing here knows pixels, ticks or labels.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

# A plot is about as many pixels wide. The page states how many fainter peaks it leaves out.
MAX_PEAKS = 1000


class HasPeaks(Protocol):
    """A stored spectrum, a reference spectrum or a predicted one."""

    @property
    def mz(self) -> NDArray[np.float64]: ...
    @property
    def intensity(self) -> NDArray[np.float64]: ...
    @property
    def precursor_mz(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Explanation:
    """The fragment of a candidate that explains one peak, or a part of its formula with the peak's mass.

    Only a fragment has atoms and a SMILES.
    """

    formula: str
    error_ppm: float  # measured minus theoretical m/z
    atoms: tuple[int, ...] = ()  # of the fragment, by their position in the candidate's SMILES
    smiles: str = ""  # of the fragment as drawn, without the hydrogens that the ion gained or lost


@dataclass(frozen=True, slots=True)
class PeakExplanations:
    """What a candidate explains, by the index of the peak in the file. No peak is in both."""

    by_fragment: Mapping[int, Explanation] = field(default_factory=dict)
    by_formula: Mapping[int, Explanation] = field(default_factory=dict)  # weak: it ignores the bonds


@dataclass(frozen=True, slots=True)
class Peak:
    mz: float
    intensity: float  # as in the file
    percent: float  # of the base peak
    explanation: Explanation | None = None  # by a fragment
    possible: Explanation | None = None  # by the formula alone; None where a fragment explains the peak
    is_matched: bool = False  # by a peak of the mirrored spectrum

    @property
    def is_base(self) -> bool:
        return self.percent == 100.0


@dataclass(frozen=True, slots=True)
class SpectrumPlotData:
    """The peaks to draw and what the page states about all peaks.

    "Intensity explained" is defined here: the summed intensity of the explained peaks as a share of the
    summed intensity of all peaks. Intensities are those of the file. Peaks that are not drawn count.
    """

    peaks: tuple[Peak, ...]  # ascending m/z
    n_peaks: int  # in the file
    n_hidden: int  # not among `peaks` because they are the faintest
    n_explained: int
    n_possible: int  # further peaks with the mass of a part of the candidate's formula
    explained_percent: float | None  # None: there is no candidate, or it cannot be fragmented
    precursor_mz: float | None

    @property
    def strongest_first(self) -> list[Peak]:
        return sorted(self.peaks, key=lambda peak: -peak.intensity)

    @property
    def base_peak(self) -> Peak | None:
        return next((peak for peak in self.peaks if peak.is_base), None)

    def as_json(self) -> str:
        """What `plot.js` reads. m/z has the digits that a mass spectrometer resolves."""
        peaks = [_as_json(peak) for peak in self.peaks]
        return json.dumps({"precursor_mz": self.precursor_mz, "peaks": peaks}, separators=(",", ":"))


def _as_json(peak: Peak) -> dict[str, Any]:
    drawn: dict[str, Any] = {"mz": round(peak.mz, 5), "percent": round(peak.percent, 3)}
    if peak.explanation is not None:
        drawn |= {
            "formula": peak.explanation.formula,
            "error_ppm": round(peak.explanation.error_ppm, 2),
            "atoms": peak.explanation.atoms,
        }
        if peak.explanation.smiles:
            drawn["smiles"] = peak.explanation.smiles
    elif peak.possible is not None:
        drawn |= {"possible": peak.possible.formula, "error_ppm": round(peak.possible.error_ppm, 2)}
    if peak.is_matched:
        drawn["matched"] = True
    return drawn


def plot_data(
    spectrum: HasPeaks,
    explanations: PeakExplanations | None = None,
    *,
    only: Collection[int] | None = None,
    matched: Collection[int] = (),
) -> SpectrumPlotData:
    """`only`: indices of the peaks to draw, by default all. `matched`: of those with a partner in a mirror.

    Peaks without a finite m/z or a positive, finite intensity are left out. No query.
    """
    mz, intensity = spectrum.mz, spectrum.intensity
    usable = np.flatnonzero(np.isfinite(mz) & np.isfinite(intensity) & (intensity > 0))
    candidates = usable if only is None else usable[np.isin(usable, list(only))]
    strongest = candidates[np.argsort(-intensity[candidates], kind="stable")[:MAX_PEAKS]]
    drawn = strongest[np.argsort(mz[strongest], kind="stable")]
    by_fragment = explanations.by_fragment if explanations else {}
    by_formula = explanations.by_formula if explanations else {}
    explained = np.array([index for index in usable if int(index) in by_fragment], dtype=np.intp)
    matched_indices = frozenset(matched)
    highest, total = intensity[usable].max(initial=0.0), intensity[usable].sum()
    return SpectrumPlotData(
        peaks=tuple(
            Peak(
                mz=float(mz[index]),
                intensity=float(intensity[index]),
                percent=float(100 * (intensity[index] / highest)),  # exactly 100 for the base peak
                explanation=by_fragment.get(int(index)),
                possible=by_formula.get(int(index)),
                is_matched=int(index) in matched_indices,
            )
            for index in drawn
        ),
        n_peaks=int(mz.size),
        n_hidden=int(usable.size - drawn.size),
        n_explained=int(explained.size),
        n_possible=sum(int(index) in by_formula for index in usable),
        explained_percent=(
            float(100 * intensity[explained].sum() / total) if explanations is not None and total else None
        ),
        precursor_mz=spectrum.precursor_mz,
    )
