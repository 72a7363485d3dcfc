"""SPLASH, the spectral hash: a short identifier of a list of peaks.

Version 1 for mass spectra, as specified by Wohlgemuth et al., Nature Biotechnology 34, 1099 (2016).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

Peak = tuple[float, float]

# The specification adds this before it truncates to integers, so that 0.29999999999999998 counts as 0.3.
_EPSILON = 1e-7
_MZ_SCALE = 1_000_000  # six decimals
_RELATIVE_MAX = 100.0
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def splash(mz: ArrayLike, intensity: ArrayLike) -> str:
    """Identifier "splash10-xxxx-dddddddddd-20hex" of the peaks. Order and intensity scale do not matter.

    Raises ValueError if no peak has a positive intensity.
    """
    masses = np.asarray(mz, dtype=np.float64)
    heights = np.asarray(intensity, dtype=np.float64)
    if masses.size == 0 or not heights.max() > 0:
        raise ValueError("A SPLASH needs at least one peak of positive intensity.")
    relative = heights / heights.max() * _RELATIVE_MAX
    peaks: list[Peak] = list(zip(masses.tolist(), relative.tolist(), strict=True))
    return f"splash10-{_prefilter_block(peaks)}-{_histogram_block(peaks)}-{_hash_block(peaks)}"


def _prefilter_block(peaks: list[Peak]) -> str:
    """The ten strongest peaks of at least 10 % of the base peak, in 5 Da bins, as four base-36 digits."""
    strong = [peak for peak in peaks if peak[1] + _EPSILON >= 0.1 * _RELATIVE_MAX]
    strong.sort(key=lambda peak: (-peak[1], peak[0]))
    bins = _histogram(strong[:10], bin_da=5, base=3)
    number = int("".join(map(str, bins)), 3)
    digits = ""
    for _ in range(4):
        number, remainder = divmod(number, 36)
        digits = _DIGITS[remainder] + digits
    return digits


def _histogram_block(peaks: list[Peak]) -> str:
    return "".join(map(str, _histogram(peaks, bin_da=100, base=10)))


def _histogram(peaks: Iterable[Peak], *, bin_da: int, base: int) -> list[int]:
    """Sum of intensities in ten bins, by m/z modulo ten bins. The fullest bin is scaled to base - 1."""
    sums = [0.0] * 10
    for mz, height in peaks:
        sums[int(mz / bin_da) % 10] += height
    fullest = max(sums)
    return [int(_EPSILON + (base - 1) * value / fullest) for value in sums]


def _hash_block(peaks: list[Peak]) -> str:
    ordered = sorted(peaks, key=lambda peak: (peak[0], -peak[1]))
    text = " ".join(f"{int((mz + _EPSILON) * _MZ_SCALE)}:{int(height + _EPSILON)}" for mz, height in ordered)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:20]
