"""Decodes the base64 number arrays of mzML and mzXML, to at most the announced length."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable

import numpy as np

from models_ml.spectra.formats import numpress
from models_ml.spectra.formats.items import Fault
from models_ml.spectra.spectrum import FloatArray

MAX_WIDTH = 8  # bytes of the widest number type


class BadArray(Exception):
    """An array that cannot be decoded. The message is the reason."""


def undecodable(error: BadArray) -> Fault:
    """The fault of a record with an array that cannot be decoded."""
    return Fault(
        "bad_array",
        f"The peaks cannot be decoded: {error}.",
        "Convert the original file to mzML with ProteoWizard msConvert, with zlib or no compression.",
    )


def check_length(announced: int, max_peaks: int) -> None:
    if announced > max_peaks:
        raise BadArray(f"{announced} peaks are announced, above the limit of {max_peaks:,}")


def decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=False)
    except (binascii.Error, ValueError) as error:
        raise BadArray(f"the base64 text is damaged ({error})") from None


def inflate(data: bytes, max_bytes: int) -> bytes:
    """Decompress zlib data to at most ``max_bytes``, against decompression bombs."""
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise BadArray(f"the zlib data is damaged ({error})") from None
    if len(inflated) > max_bytes:
        raise BadArray(
            f"the zlib data is larger than the {max_bytes:,} bytes that the announced length allows"
        )
    if not stream.eof:
        raise BadArray("the zlib data is cut off")
    return inflated


def to_numbers(data: bytes, dtype: str) -> FloatArray:
    """``dtype`` in NumPy notation, with the byte order."""
    if len(data) % np.dtype(dtype).itemsize:
        raise BadArray(f"{len(data)} bytes are not a whole number of {np.dtype(dtype).itemsize}-byte values")
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
