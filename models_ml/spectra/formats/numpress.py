"""Decodes MS-Numpress (Teleman et al., Mol. Cell. Proteomics 2014). Corrupt data raise ValueError.

The published library ends the process on corrupt data, so it is not used.
"""

from __future__ import annotations

import struct

import numpy as np

from models_ml.spectra.spectrum import FloatArray

_HEADER_BYTES = 8  # the scale, a big-endian double


def decode_linear(data: bytes) -> FloatArray:
    """Values stored as differences from a line through the last two values. At most 2·len(data) values."""
    scale = _fixed_point(data)
    body = data[_HEADER_BYTES:]
    if len(body) < 8:
        starts = struct.unpack("<i", body[:4]) if len(body) >= 4 else ()
        return np.array(starts, dtype=np.float64) / scale
    values = list(struct.unpack("<ii", body[:8]))
    for difference in _integers(body[8:]):
        signed = difference - 2**32 if difference >= 2**31 else difference
        values.append(2 * values[-1] - values[-2] + signed)
    return np.array(values, dtype=np.float64) / scale


def decode_pic(data: bytes) -> FloatArray:
    """Positive counts, rounded to integers."""
    return np.array(_integers(data), dtype=np.float64)


def decode_slof(data: bytes) -> FloatArray:
    """Logarithms in 16 bits."""
    scale = _fixed_point(data)
    if len(data) % 2:
        raise ValueError("the MS-Numpress data has an odd length")
    logarithms: FloatArray = np.frombuffer(data, dtype="<u2", offset=_HEADER_BYTES).astype(np.float64)
    with np.errstate(over="ignore"):  # the check of the peaks refuses infinity
        return np.expm1(logarithms / scale)


def _fixed_point(data: bytes) -> float:
    if len(data) < _HEADER_BYTES:
        raise ValueError("the MS-Numpress data is shorter than its header")
    scale = float(struct.unpack(">d", data[:_HEADER_BYTES])[0])
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError("the MS-Numpress data has no valid scale")
    return scale


def _integers(data: bytes) -> list[int]:
    """32-bit integers as half bytes: the count of leading 0 (0–8) or F (9–15) half bytes, then the rest.

    The lowest half byte comes first.
    """
    halves = np.empty(2 * len(data), dtype=np.uint8)
    packed = np.frombuffer(data, dtype=np.uint8)
    halves[0::2] = packed >> 4
    halves[1::2] = packed & 0xF
    nibbles: list[int] = halves.tolist()
    integers: list[int] = []
    position, end = 0, len(nibbles)
    while position < end:
        head = nibbles[position]
        if position == end - 1 and head == 0:
            break  # padding of the last byte
        leading = head if head <= 8 else head - 8
        value = 0 if head <= 8 else (0xFFFFFFFF << 4 * (8 - leading)) & 0xFFFFFFFF
        rest = nibbles[position + 1 : position + 9 - leading]
        if len(rest) != 8 - leading:
            raise ValueError("the MS-Numpress data is cut off")
        for shift, nibble in enumerate(rest):
            value |= nibble << 4 * shift
        integers.append(value)
        position += 9 - leading
    return integers
