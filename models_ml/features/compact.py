"""Holds what grouping needs of each spectrum: some 400 bytes, so that a file of 100,000 takes 40 MB."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models_ml.spectra.spectrum import Spectrum
from models_ml.spectra.survey import Document

N_PEAKS = 20  # strongest peaks kept for the comparison
_PRECURSOR_REGION_MZ = 2.0  # the remaining precursor and its isotopes

# Dissociations of mzML, as named by its vocabulary, and the attribute of mzXML. Scans of two kinds differ.
_ACTIVATIONS = (
    "collision-induced dissociation", "beam-type collision-induced dissociation",
    "trap-type collision-induced dissociation", "higher energy beam-type collision-induced dissociation",
    "electron transfer dissociation", "electron capture dissociation", "photodissociation",
)  # fmt: skip


class Origin(NamedTuple):
    """What members of one feature have in common."""

    document: Document | None
    ion_mode: str
    adduct: str
    structure: str  # the stated structure, or ""


@dataclass(frozen=True, slots=True, eq=False)
class CompactSpectra:
    """Columns of n spectra. Rows follow the order of `CompactTable.add`."""

    index: NDArray[np.int64]  # (n,) source indices
    precursor_mz: NDArray[np.float64]  # (n,) nan without one
    retention_time_s: NDArray[np.float64]  # (n,) nan without one
    charge: NDArray[np.int8]  # (n,) signed, 0 without one
    signal: NDArray[np.float64]  # (n,) summed intensity of the fragments
    origin: NDArray[np.int32]  # (n,) numbers of equal Origins
    energy: NDArray[np.int32]  # (n,) numbers of equal energies and activations
    mz: NDArray[np.float32]  # (n, N_PEAKS) ascending, 0 for no peak
    weight: NDArray[np.float32]  # (n, N_PEAKS) square roots of intensities, of unit norm


class CompactTable:
    """Collects spectra one by one."""

    def __init__(self, tolerance_mz: float) -> None:
        self.origins: list[Origin] = []
        self._tolerance_mz = tolerance_mz
        self._origin_numbers: dict[Origin, int] = {}
        self._energies: dict[tuple[str, ...], int] = {}
        self._index, self._charge = array("q"), array("b")
        self._precursor, self._time, self._signal = array("d"), array("d"), array("d")
        self._origin, self._energy = array("i"), array("i")
        self._mz, self._weight = array("f"), array("f")

    def add(self, index: int, spectrum: Spectrum) -> None:
        origin = Origin(
            spectrum.document,
            spectrum.ion_mode or "",
            spectrum.adduct or "",
            spectrum.inchikey[:14] or spectrum.smiles,
        )
        number = self._origin_numbers.setdefault(origin, len(self.origins))
        if number == len(self.origins):
            self.origins.append(origin)
        precursor_mz = np.nan if spectrum.precursor_mz is None else spectrum.precursor_mz
        time = np.nan if spectrum.retention_time_s is None else spectrum.retention_time_s
        self._index.append(index)
        self._charge.append(max(-100, min(100, spectrum.charge or 0)))
        self._precursor.append(precursor_mz)
        self._time.append(time)
        self._signal.append(fragment_signal(spectrum))
        self._origin.append(number)
        self._energy.append(self._energies.setdefault(_energy(spectrum), len(self._energies)))
        mz, weight = strongest_peaks(spectrum, self._tolerance_mz)
        self._mz.frombytes(mz.tobytes())
        self._weight.frombytes(weight.tobytes())

    def columns(self) -> CompactSpectra:
        return CompactSpectra(
            index=np.array(self._index, dtype=np.int64),
            precursor_mz=np.array(self._precursor, dtype=np.float64),
            retention_time_s=np.array(self._time, dtype=np.float64),
            charge=np.array(self._charge, dtype=np.int8),
            signal=np.array(self._signal, dtype=np.float64),
            origin=np.array(self._origin, dtype=np.int32),
            energy=np.array(self._energy, dtype=np.int32),
            mz=np.array(self._mz, dtype=np.float32).reshape(-1, N_PEAKS),
            weight=np.array(self._weight, dtype=np.float32).reshape(-1, N_PEAKS),
        )


def _energy(spectrum: Spectrum) -> tuple[str, ...]:
    metadata = spectrum.metadata
    kinds = [name for name in _ACTIVATIONS if name in metadata]
    return (spectrum.collision_energy, metadata.get("activationMethod", ""), *kinds)


def fragment_signal(spectrum: Spectrum) -> float:
    """Summed intensity of the peaks outside the region of the precursor.

    The remaining precursor says nothing about the structure, so a weak collision is not preferred for it.
    """
    intensity = np.where(np.isfinite(spectrum.intensity), spectrum.intensity, 0.0)
    if spectrum.precursor_mz is not None:
        intensity = intensity[np.abs(spectrum.mz - spectrum.precursor_mz) > _PRECURSOR_REGION_MZ]
    return float(intensity.sum())


def strongest_peaks(
    spectrum: Spectrum, tolerance_mz: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """m/z and weights (N_PEAKS,) each, of the strongest peaks that are at least two tolerances apart.

    So a peak of another spectrum matches at most one of them, and the sum of products is at most 1.
    """
    usable = np.isfinite(spectrum.mz) & np.isfinite(spectrum.intensity) & (spectrum.intensity > 0)
    mz, intensity = spectrum.mz[usable], spectrum.intensity[usable]
    strongest = np.lexsort((mz, -intensity))[: 2 * N_PEAKS]
    chosen = mz[strongest]
    close = np.abs(chosen[:, None] - chosen[None, :]) <= 2 * tolerance_mz
    if np.count_nonzero(close) == chosen.size:  # only the diagonal: all are apart
        kept = strongest[:N_PEAKS].tolist()
    else:
        places: list[int] = []
        for place in range(chosen.size):
            if not close[place, places].any():
                places.append(place)
        kept = strongest[places[:N_PEAKS]].tolist()
    kept.sort(key=lambda peak: float(mz[peak]))
    weights = np.sqrt(intensity[kept])
    norm = float(np.sqrt((weights**2).sum()))
    padded_mz, padded_weights = np.zeros(N_PEAKS, np.float32), np.zeros(N_PEAKS, np.float32)
    padded_mz[: len(kept)] = mz[kept]
    padded_weights[: len(kept)] = weights / norm if norm else weights
    return padded_mz, padded_weights


def similarities(
    spectra: CompactSpectra, row: int, others: list[int], tolerance_mz: float
) -> NDArray[np.float64]:
    """Cosines (len(others),) of the square roots of the intensities, 0 to 1. Peaks match by m/z."""
    near = np.abs(spectra.mz[others][:, :, None] - spectra.mz[row][None, None, :]) <= tolerance_mz
    products = spectra.weight[others][:, :, None] * spectra.weight[row][None, None, :]
    cosines: NDArray[np.float64] = np.minimum(np.where(near, products, 0.0).sum(axis=(1, 2)), 1.0)
    return cosines
