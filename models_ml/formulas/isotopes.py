"""Isotope patterns of formulas, and how well a measured pattern agrees.

Patterns are coarse: one intensity for each nominal mass. They are computed for all candidates at once by
multiplying element patterns; the test compares them with IsoSpec, which takes one formula at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models_ml.formulas.elements import ELEMENTS, Floats

N_ISOTOPES = 4  # M to M+3. M+4 is weak except with several Cl or Br, and M+2 shows these already.
ISOTOPE_SPACING_DA = 1.00335  # 13C - 12C
# Half width in Da of the m/z window around M + k spacings: 34S and 37Cl lie up to 11 mDa beside 13C.
SPACING_TOLERANCE_DA = 0.02
# Noise of a measured pattern: standard deviation of each share, relative and absolute. Orbitrap and TOF
# instruments show 3 to 15 % and lose peaks below 1 % of the base peak.
RELATIVE_NOISE, ABSOLUTE_NOISE = 0.08, 0.01
_HEAVIEST = 3


class IsotopePattern(Protocol):
    """What a survey scan shows: `models_ml.spectra.survey.Survey` has these fields."""

    @property
    def isotope_mz(self) -> Floats:
        """(I,), monoisotopic first."""

    @property
    def isotope_intensity(self) -> Floats:
        """(I,)."""


def theoretical_patterns(counts: NDArray[np.integer], gained: Mapping[str, int] | None = None) -> Floats:
    """Shares (n, N_ISOTOPES) of M, M+1, ... of formulas (n, E); each row sums to 1.

    `gained`: atoms of the adduct, such as {"Cl": 1}; only gains of elements with isotopes matter.
    """
    patterns = np.zeros((len(counts), N_ISOTOPES))
    patterns[:, 0] = 1.0
    for column, symbol in enumerate(ELEMENTS):
        number = np.asarray(counts[:, column], np.int64)
        number = np.maximum(number + (gained or {}).get(symbol, 0), 0)
        if number.any():
            patterns = _multiply(patterns, _powers(symbol, int(number.max()))[number])
    for symbol, added in (gained or {}).items():
        if symbol not in ELEMENTS and added > 0:
            patterns = _multiply(patterns, _powers(symbol, added)[np.full(len(counts), added)])
    shares: Floats = patterns / patterns.sum(1, keepdims=True)
    return shares


def measured_pattern(pattern: IsotopePattern, charge: int) -> Floats | None:
    """Shares (N_ISOTOPES,) of M, M+1, ...; 0 where no peak fits. None without M and a second peak."""
    mz, intensity = np.asarray(pattern.isotope_mz, float), np.asarray(pattern.isotope_intensity, float)
    if not len(mz) or not np.isfinite(intensity).all() or intensity[0] <= 0:
        return None
    shift = (mz - mz[0]) * abs(charge)
    nominal = np.rint(shift / ISOTOPE_SPACING_DA).astype(int)
    fits = np.abs(shift - nominal * ISOTOPE_SPACING_DA) <= SPACING_TOLERANCE_DA
    fits &= (nominal >= 0) & (nominal < N_ISOTOPES) & (intensity > 0)
    shares = np.bincount(nominal[fits], weights=intensity[fits], minlength=N_ISOTOPES).astype(np.float64)
    if np.count_nonzero(shares) < 2:
        return None
    measured: Floats = shares / shares.sum()
    return measured


def pattern_similarity(measured: Floats, theoretical: Floats) -> Floats:
    """Overlap in 0..1 of a measured pattern (I,) with patterns (n, I): 1 - half the summed differences."""
    overlap: Floats = 1.0 - np.abs(theoretical - measured).sum(1) / 2
    return overlap


def pattern_log_likelihood(measured: Floats, theoretical: Floats) -> Floats:
    """(n,) up to a constant, under the stated noise. Heavy tails: a second ion may disturb the pattern."""
    spread = np.sqrt((RELATIVE_NOISE * theoretical) ** 2 + ABSOLUTE_NOISE**2)
    squares = ((measured - theoretical) / spread) ** 2
    log_likelihood: Floats = (-np.log1p(squares / 4) * 2.5 - np.log(spread)).sum(1)  # Student t, 4 degrees
    return log_likelihood


def simulate_pattern(shares: Floats, rng: np.random.Generator) -> Floats:
    """A pattern as an instrument could measure it, from true shares (I,).

    Relative noise of 3 to 15 % (drawn for each pattern), additive noise of 0.5 % of the largest share, and no
    peak below 1 % of it.
    """
    relative = rng.uniform(0.03, 0.15)
    largest = shares.max()
    noisy = shares * np.exp(rng.normal(0, relative, len(shares))) + rng.normal(
        0, 0.005 * largest, len(shares)
    )
    noisy[noisy < 0.01 * largest] = 0.0
    noisy[0] = max(noisy[0], 0.01 * largest)
    simulated: Floats = noisy / noisy.sum()
    return simulated


def _multiply(left: Floats, right: Floats) -> Floats:
    """Convolution of each row, cut to N_ISOTOPES."""
    product = np.zeros_like(left)
    for shift in range(N_ISOTOPES):
        product[:, shift:] += left[:, : N_ISOTOPES - shift] * right[:, shift : shift + 1]
    return product


@lru_cache(maxsize=256)
def _powers(symbol: str, most: int) -> Floats:
    """Patterns (most + 1, N_ISOTOPES) of 0, 1, ... atoms of an element."""
    rows = [np.eye(1, N_ISOTOPES)]
    for _ in range(most):
        rows.append(_multiply(rows[-1], _element(symbol)[None, :]))
    return np.concatenate(rows)


@lru_cache(maxsize=64)
def _element(symbol: str) -> Floats:
    """Abundances by nominal mass above the most common isotope. Lighter isotopes (6Li, 10B) are left out."""
    table = Chem.GetPeriodicTable()
    number = table.GetAtomicNumber(symbol)
    nominal = round(table.GetMostCommonIsotopeMass(number))
    shares = [table.GetAbundanceForIsotope(number, nominal + shift) for shift in range(_HEAVIEST + 1)]
    return np.array(shares) / 100.0
