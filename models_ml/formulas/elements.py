"""Formulas as rows of element counts, and as 64-bit integers, so that "is part of" is one subtraction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models_ml.molecules.formula import format_formula, formula_mass

Counts = NDArray[np.int16]  # (n, E), columns as in ELEMENTS
Bits = NDArray[np.uint64]
Floats = NDArray[np.float64]

ELEMENTS = ("C", "H", "N", "O", "P", "S", "F", "Cl", "Br", "I", "Si")
RARE = ELEMENTS[4:]  # all but C, H, N and O. Their counts in a formula are its rare part.
CARBON, HYDROGEN, NITROGEN, OXYGEN = range(4)
METALS = ("Na", "K", "Li")  # that an adduct adds. A formula of a neutral molecule holds none.
MASSES: Floats = np.array([formula_mass({symbol: 1}) for symbol in ELEMENTS])
# Free bonds that an atom adds to a skeleton, less those that it occupies: 2 · DBE = 2 + counts @ BONDS.
# P and S count with their lowest valence; double bonds to oxygen do not change the sum.
BONDS = np.array([2, -1, 1, 0, 1, 0, -1, -1, -1, -1, 2], np.int64)

# Bits of each count, and one bit above it that a borrow of the subtraction clears. 64 in all.
_VALUE_BITS = (7, 8, 5, 5, 3, 4, 5, 4, 3, 3, 3)
_METAL_BITS = 2
_OFFSETS = np.concatenate([[0], np.cumsum([bits + 1 for bits in _VALUE_BITS])]).astype(np.uint64)
MAX_COUNTS = np.array([2**bits - 1 for bits in _VALUE_BITS], np.int64)
GUARDS = np.uint64(
    sum(1 << (int(offset) + bits) for offset, bits in zip(_OFFSETS, (*_VALUE_BITS, _METAL_BITS), strict=True))
)
ONE_METAL = np.uint64(1) << _OFFSETS[-1]
FIELD_MASKS = tuple(
    np.uint64((2**bits - 1) << int(offset)) for offset, bits in zip(_OFFSETS, _VALUE_BITS, strict=False)
)
# Lowest bit of each odd-valent element and the metal: their sum's parity is that of the free electrons.
_PARITY_SHIFTS = tuple(
    offset for offset, bonds in zip(_OFFSETS, (*BONDS.tolist(), -1), strict=True) if bonds % 2
)


def pack(counts: NDArray[np.integer]) -> Bits:
    """Integers (n,) of element counts (n, E). Raises ValueError for a count above MAX_COUNTS or below 0."""
    if np.any(counts > MAX_COUNTS) or np.any(counts < 0):
        raise ValueError(f"An element count is not between 0 and its maximum ({_maxima()}).")
    bits: Bits = (counts.astype(np.uint64) << _OFFSETS[:-1]).sum(-1, dtype=np.uint64)
    return bits


def unpack(bits: Bits) -> Counts:
    """The reverse of `pack`, (n, E). A metal is dropped."""
    columns = [(bits & mask) >> offset for mask, offset in zip(FIELD_MASKS, _OFFSETS, strict=False)]
    return np.stack(columns, -1).astype(np.int16)


def is_part(part: Bits, whole: Bits) -> NDArray[np.bool_]:
    """Whether no count of `part` is larger than in `whole`: no field borrows from its guard."""
    contained: NDArray[np.bool_] = ((whole | GUARDS) - part) & GUARDS == GUARDS
    return contained


def is_odd_electron(bits: Bits) -> NDArray[np.bool_]:
    """Whether a neutral molecule of this formula has an odd number of electrons."""
    parity = np.zeros(bits.shape, np.uint64)
    for shift in _PARITY_SHIFTS:
        parity ^= bits >> shift
    return (parity & np.uint64(1)).astype(bool)


def counts_row(counts: Mapping[str, int]) -> Counts | None:
    """(E,) of a parsed formula; None if it has another element or more atoms than MAX_COUNTS."""
    if set(counts) - set(ELEMENTS):
        return None
    row = np.array([counts.get(symbol, 0) for symbol in ELEMENTS], np.int64)
    return None if np.any(row > MAX_COUNTS) else row.astype(np.int16)


def hill(row: Sequence[int] | Counts) -> str:
    """Hill formula of one row of counts."""
    return format_formula({symbol: int(count) for symbol, count in zip(ELEMENTS, row, strict=True)})


def _maxima() -> str:
    return ", ".join(f"{symbol} {count}" for symbol, count in zip(ELEMENTS, MAX_COUNTS, strict=True))
