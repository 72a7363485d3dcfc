"""Lines of text files: every line break, chunk border and encoding."""

from __future__ import annotations

import io
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_ml.text_lines import LineTooLong, as_utf8, decode, split_lines


class Chunked:
    """A stream that returns `size` bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._stream, self._size = io.BytesIO(data), size

    def read1(self, size: int = -1, /) -> bytes:
        return self._stream.read(self._size)


def lines_of(data: bytes, size: int = 1 << 20) -> list[bytes]:
    numbered = list(split_lines(Chunked(data, size), 1 << 20))
    assert [number for number, _ in numbered] == list(range(1, len(numbered) + 1))
    return [line for _, line in numbered]


@given(data=st.text(alphabet="ab\r\n", max_size=20), size=st.integers(1, 7))
def test_line_breaks_do_not_depend_on_chunks(data: str, size: int) -> None:
    expected = re.sub(r"\r{1,2}\n|\r", "\n", data).split("\n")
    if not expected[-1]:
        expected.pop()
    assert [line.decode() for line in lines_of(data.encode(), size)] == expected


def test_byte_order_mark_and_nul_bytes_are_removed() -> None:
    assert lines_of(b"\xef\xbb\xbfa\0\nb\0\0") == [b"a", b"b"]


def test_a_long_line_is_refused_after_the_lines_before_it() -> None:
    lines = split_lines(Chunked(b"ab\n" + b"c" * 20, 4), 10)
    assert next(lines) == (1, b"ab")
    with pytest.raises(LineTooLong) as caught:
        next(lines)
    assert caught.value.number == 2


def test_a_file_of_carriage_returns_takes_linear_time() -> None:
    started = time.process_time()
    assert len(lines_of(b"\r" * 2_000_000, 262_144)) == 2_000_000
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("data", "text"),
    [("Säure".encode(), "Säure"), (b"S\xe4ure \x80", "Säure €"), (b"S\xe4ure \x81", "Säure \x81")],
)
def test_decoding_never_loses_a_letter(data: bytes, text: str) -> None:
    assert decode(data) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_is_read(encoding: str) -> None:
    data = "\ufeffSäure\r\n€".encode(encoding)
    assert [decode(line) for line in lines_of(as_utf8(io.BufferedReader(io.BytesIO(data))).read())] == [
        "Säure", "€",
    ]  # fmt: skip
