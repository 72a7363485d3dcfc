"""MS-Numpress decoding: vectors computed by hand from the published scheme, and corrupt data."""

from __future__ import annotations

import contextlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_ml.spectra.formats.numpress import decode_linear, decode_pic, decode_slof
from tests.models_ml.spectra.builders import binary_array, mzml_document, mzml_spectrum, read_all, term


def pack_integers(values: list[int]) -> bytes:
    """The published packing of 32-bit integers into half bytes."""
    halves: list[int] = []
    for value in values:
        nibbles = [(value & 0xFFFFFFFF) >> 4 * index & 0xF for index in range(8)]
        zeros = next((n for n in range(8) if nibbles[7 - n]), 8)
        ones = next((n for n in range(8) if nibbles[7 - n] != 0xF), 7)
        lead = min(ones, 7) if ones else zeros
        halves.append(8 + lead if ones else lead)
        halves.extend(nibbles[: 8 - lead])
    if len(halves) % 2:
        halves.append(0)
    return bytes(high << 4 | low for high, low in zip(halves[0::2], halves[1::2], strict=True))


def pack_linear(values: list[int], scale: float) -> bytes:
    differences = [values[n] - 2 * values[n - 1] + values[n - 2] for n in range(2, len(values))]
    return struct.pack(">d", scale) + struct.pack("<ii", *values[:2]) + pack_integers(differences)


def test_known_half_bytes() -> None:
    """0 is "8"; 1 is seven leading zeros, then 1. The last half byte is padding."""
    assert decode_pic(bytes([0x87, 0x10])).tolist() == [0.0, 1.0]
    assert decode_pic(bytes([0x71, 0x6C, 0x20])).tolist() == [1.0, 0x2C]


@given(st.lists(st.integers(0, 2**31 - 1), max_size=50))
def test_pic(values: list[int]) -> None:
    assert decode_pic(pack_integers(values)).tolist() == values


@given(st.lists(st.integers(0, 2**29), min_size=2, max_size=50))
def test_linear(values: list[int]) -> None:
    np.testing.assert_allclose(decode_linear(pack_linear(values, 1000.0)), np.array(values) / 1000.0)


def test_slof() -> None:
    heights = np.array([0.0, 1.0, 250.0, 1e5])
    scale = 5000.0
    data = struct.pack(">d", scale) + (np.log1p(heights) * scale).round().astype("<u2").tobytes()
    np.testing.assert_allclose(decode_slof(data), heights, rtol=2e-4)


def test_inside_mzml(tmp_path: Path) -> None:
    mz = pack_linear([1000000, 2000000, 3000500], 10000.0)
    term_zlib = term("MS:1002746", "MS-Numpress linear prediction compression followed by zlib compression")
    arrays = binary_array("MS:1000514", zlib.compress(mz), term_zlib) + binary_array(
        "MS:1000515",
        pack_integers([5, 0, 70000]),
        term("MS:1002313", "MS-Numpress positive integer compression"),
    )
    path = tmp_path / "run.mzML"
    path.write_text(mzml_document(mzml_spectrum(arrays=arrays)))
    [spectrum], issues, _ = read_all(path)
    np.testing.assert_allclose(spectrum.mz, [100.0, 200.0, 300.05])
    assert spectrum.intensity.tolist() == [5.0, 0.0, 70000.0]
    assert issues == []


@pytest.mark.parametrize("decode", [decode_linear, decode_pic, decode_slof])
@given(data=st.binary(max_size=60))
def test_any_bytes_give_numbers_or_a_value_error(decode: object, data: bytes) -> None:
    assert callable(decode)
    with contextlib.suppress(ValueError):
        assert len(decode(data)) <= 2 * len(data)
