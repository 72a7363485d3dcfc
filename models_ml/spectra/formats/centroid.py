"""Turns profile spectra into centroids, and adds up repeated m/z. Recognises a profile also by its shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models_ml.spectra.formats.items import Fault, UnusableRecord
from models_ml.spectra.spectrum import FloatArray

# A profile has many points for each peak. Centroids of one scan are rarely closer than 0.1 m/z, and their
# intensities do not rise and fall smoothly. Limits: no spectrum of MassBank is taken for a profile.
_MIN_POINTS = 20
_MAX_POINT_GAP = 0.15  # m/z, median; quadrupoles step by 0.1
_MIN_POINTS_PER_PEAK = 4.0
_MAX_FLANK = 0.25  # mean height of the ends of peaks, as share of their top
_MIN_SHARE_IN_RUNS = 0.8
_NOISE = 0.01  # share of the base peak
_GAP_FACTOR = 4.0  # a gap this many times the local spacing ends a peak
_DENSE_GAP = 0.05  # m/z
_DENSE_POINTS = 50
_HALF = 0.5

Peaks = tuple[FloatArray, FloatArray]


def to_centroids(
    mz: FloatArray, intensity: FloatArray, stated_profile: bool | None, repairs: list[Fault]
) -> Peaks:
    """The peaks of a spectrum. A profile becomes centroids, with a repair.

    Raises UnusableRecord for a stated profile whose peaks cannot be found.
    """
    points_mz, points = mz, intensity
    if (mz[1:] < mz[:-1]).any():
        order = np.argsort(mz, kind="stable")
        points_mz, points = mz[order], intensity[order]
    if not has_profile_shape(points_mz, points):
        if stated_profile:
            _check_stated_profile(points_mz, repairs)
        return mz, intensity
    centroids = find_centroids(points_mz, points)
    stated = {
        True: "The spectrum is a profile",
        False: "The spectrum states centroids but has the shape of a profile",
        None: "The spectrum has the shape of a profile",
    }[stated_profile]
    reason = f"{stated}: {mz.size:,} points became {centroids[0].size:,} peaks."
    remedy = (
        "To use your own peak picking, export centroids, for example with msConvert --filter peakPicking."
    )
    repairs.append(Fault("centroided", reason, remedy))
    return centroids


def _check_stated_profile(mz: FloatArray, repairs: list[Fault]) -> None:
    if mz.size >= _DENSE_POINTS and float(np.median(np.diff(mz))) < _DENSE_GAP:
        raise UnusableRecord(
            "profile_spectrum",
            "The spectrum is a profile, and its peaks cannot be found.",
            "Centroid the original file, for example with msConvert --filter peakPicking.",
        )
    reason = "The file states a profile, but the spectrum has the shape of centroids; these are used."
    repairs.append(Fault("stated_profile", reason, "Check that the original file was centroided."))


def has_profile_shape(mz: FloatArray, intensity: FloatArray) -> bool:
    """Whether points in ascending m/z rise and fall smoothly at a small spacing."""
    if mz.size < _MIN_POINTS:
        return False
    if 2 * np.count_nonzero(mz[1:] - mz[:-1] <= _MAX_POINT_GAP) < mz.size:  # the median gap, cheaper
        return False
    strong = intensity > _NOISE * intensity.max()
    starts = _starts(mz, intensity)
    n_maxima = int((_maxima(intensity, starts) & strong).sum())
    n_strong = int(strong.sum())
    if n_strong < _MIN_POINTS_PER_PEAK * n_maxima:
        return False
    sizes = np.diff(np.append(starts, mz.size))
    long = sizes >= _MIN_POINTS_PER_PEAK
    if np.add.reduceat(strong, starts, dtype=np.int64)[long].sum() < _MIN_SHARE_IN_RUNS * n_strong:
        return False
    tops = np.maximum.reduceat(intensity, starts)[long]
    ends = intensity[starts[long]] + intensity[(starts + sizes - 1)[long]]
    return float(ends.sum()) <= 2 * _MAX_FLANK * float(tops.sum())


def find_centroids(mz: FloatArray, intensity: FloatArray) -> Peaks:
    """The local maxima of a profile in ascending m/z.

    The m/z of a peak is the mean of its points above half height, weighted by their intensity above it:
    so a point that crosses this height does not move the mean. The intensity is that of the top. Takes linear
    time.
    """
    starts = _starts(mz, intensity)
    is_top = _maxima(intensity, starts)
    tops = np.flatnonzero(is_top)
    # Each valley between two tops starts the next peak, so each peak has one top.
    borders = np.union1d(starts, _valleys(intensity, tops, starts))
    peak_of = np.searchsorted(borders, np.arange(mz.size), side="right") - 1
    heights = np.maximum.reduceat(intensity, borders)
    weights = np.maximum(intensity - _HALF * heights[peak_of], 0.0)
    sums = np.add.reduceat(weights, borders)
    centres = np.add.reduceat(weights * mz, borders)
    kept = heights > 0
    return centres[kept] / sums[kept], heights[kept]


def _starts(mz: FloatArray, intensity: FloatArray) -> NDArray[np.intp]:
    """First points of the runs that gaps or points of intensity 0 separate."""
    gaps = np.diff(mz)
    before = np.concatenate((gaps[:1], gaps[:-1]))
    after = np.concatenate((gaps[1:], gaps[-1:]))
    wide = gaps > _GAP_FACTOR * np.maximum(np.minimum(before, after), 1e-9)
    zero = intensity <= 0
    # A zero belongs to the flank of its neighbour; a new run starts at the second of two zeros.
    flank = zero[1:] & zero[:-1]
    breaks = np.flatnonzero(wide | flank) + 1
    return np.concatenate((np.zeros(1, dtype=np.intp), breaks))


def _maxima(intensity: FloatArray, starts: NDArray[np.intp]) -> NDArray[np.bool_]:
    """First points of the local maxima of each run. A plateau is one maximum."""
    first = np.zeros(intensity.size, dtype=bool)
    first[starts] = True
    last = np.append(first[1:], True)
    rises = np.append(True, intensity[1:] > intensity[:-1]) | first
    # The next different value decides whether a plateau falls.
    changes = np.append(intensity[1:] != intensity[:-1], True) | last
    falls_here = np.append(intensity[1:] < intensity[:-1], True) | last
    index_of_change = np.flatnonzero(changes)
    next_change = index_of_change[np.searchsorted(index_of_change, np.arange(intensity.size))]
    maxima: NDArray[np.bool_] = rises & falls_here[next_change] & (intensity > 0)
    return maxima


def _valleys(intensity: FloatArray, tops: NDArray[np.intp], starts: NDArray[np.intp]) -> NDArray[np.intp]:
    """The lowest point between each two neighbouring tops of one run, the first of several."""
    if tops.size < 2:
        return np.zeros(0, dtype=np.intp)
    lowest = np.minimum.reduceat(intensity[: tops[-1]], tops[:-1])
    between = np.arange(tops[0], tops[-1])
    top_of = np.searchsorted(tops, between, side="right") - 1
    at_lowest = between[intensity[between] == lowest[top_of]]
    owners = top_of[at_lowest - tops[0]]
    _, first = np.unique(owners, return_index=True)
    run_of = np.searchsorted(starts, tops, side="right")
    valleys: NDArray[np.intp] = at_lowest[first][run_of[1:] == run_of[:-1]]
    return valleys


def add_up_repeats(mz: FloatArray, intensity: FloatArray, repairs: list[Fault]) -> Peaks:
    """Add up the intensities of peaks with the same m/z, such as those of ion mobility frames."""
    if (mz[1:] > mz[:-1]).all():
        return mz, intensity
    distinct, index = np.unique(mz, return_inverse=True)
    if distinct.size == mz.size:
        return mz, intensity
    reason = f"{mz.size - distinct.size:,} of {mz.size:,} peaks repeat an m/z; equal m/z are added up."
    remedy = "Check the export: ion mobility frames repeat m/z, other spectra should not."
    repairs.append(Fault("repeated_mz", reason, remedy))
    return distinct, np.bincount(index, weights=intensity).astype(np.float64)
