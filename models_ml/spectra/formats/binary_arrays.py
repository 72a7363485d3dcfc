"""Base64 number arrays of mzML and mzXML, decoded within bounds known beforehand."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable

import numpy as np

from models_ml.spectra.formats import numpress
from models_ml.spectra.spectrum import FloatArray

MAX_WIDTH = 8  # bytes of the widest number type


class BadArray(Exception):
    """An array that cannot be decoded; the message says why."""


def decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=False)
    except (binascii.Error, ValueError) as error:
        raise BadArray(f"its base64 text is damaged ({error})") from None


def inflate(data: bytes, max_bytes: int) -> bytes:
    """Decompress zlib data to at most ``max_bytes``: a bomb is refused before it grows."""
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise BadArray(f"its zlib data is damaged ({error})") from None
    if len(inflated) > max_bytes:
        raise BadArray(f"its zlib data grows beyond the {max_bytes:,} bytes that its announced length allows")
    if not stream.eof:
        raise BadArray("its zlib data breaks off")
    return inflated


def to_numbers(data: bytes, dtype: str) -> FloatArray:
    """``dtype`` as NumPy writes it, byte order included."""
    if len(data) % np.dtype(dtype).itemsize:
        raise BadArray(f"its {len(data)} bytes are no whole number of {np.dtype(dtype).itemsize}-byte values")
    return np.frombuffer(data, dtype=dtype).astype(np.float64)


def from_numpress(data: bytes, decode: Callable[[bytes], FloatArray]) -> FloatArray:
    try:
        return decode(data)
    except (ValueError, OverflowError) as error:
        raise BadArray(str(error)) from None


NUMPRESS: dict[str, Callable[[bytes], FloatArray]] = {
    "linear": numpress.decode_linear,
    "pic": numpress.decode_pic,
    "slof": numpress.decode_slof,
}
