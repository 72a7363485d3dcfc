"""Reads a JSON document value by value. Holds the value at hand in memory, never the whole document.

The values themselves are read by the parser of the standard library, so numbers, NaN and errors are the same.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, Protocol

_CHUNK_BYTES = 262_144
_LONGEST_REST = 2  # of a number that ends behind the text: "." or "e+"
_LONGEST_TOKEN = 16  # "-Infinity", and escapes in strings
_BLANK = re.compile(r"[ \t\n\r]*")


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class BrokenJson(Exception):
    """The document is not JSON, or breaks a limit: what is wrong, and at which line (0 if unknown)."""

    def __init__(self, what: str, line: int = 0) -> None:
        super().__init__(what, line)
        self.what = what
        self.line = line


class RepeatedNames(dict[str, Any]):
    """An object in which names are repeated. Each value is the last of its name."""


class JsonStream:
    """The parts of a document, in order: the caller follows its structure from the outside to the inside.

    All methods raise BrokenJson. ``max_value_characters`` limits a single value.
    """

    def __init__(self, stream: Readable, *, max_value_characters: int, allow_nan: bool = True) -> None:
        self._stream = stream
        self._max_value_characters = max_value_characters
        refuse = None if allow_nan else _refuse_constant
        self._decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=refuse)
        self._text = codecs.getincrementaldecoder("utf-8-sig")()
        self._buffer = ""
        self._position = 0
        self._lines_before = 0  # line breaks of the text that is no longer in the buffer
        self._bytes_read = 0
        self._ended = False

    def peek(self) -> str:
        """The next character that is not blank, without consuming it; "" at the end."""
        while True:
            blank = _BLANK.match(self._buffer, self._position)
            assert blank is not None
            self._position = blank.end()
            if self._position < len(self._buffer):
                return self._buffer[self._position]
            if not self._fill(_CHUNK_BYTES):
                return ""

    def names(self) -> Iterator[str]:
        """The names of an object. The caller consumes the value of each before it asks for the next."""
        self._expect("{")
        if self.peek() == "}":
            self._expect("}")
            return
        while True:
            if self.peek() != '"':
                raise self._broken("Expecting property name enclosed in double quotes")
            name = self.value()
            self._expect(":")
            yield name
            if not self._continues("}"):
                return

    def elements(self) -> Iterator[Any]:
        """The elements of an array."""
        self._expect("[")
        if self.peek() == "]":
            self._expect("]")
            return
        while True:
            yield self.value()
            if not self._continues("]"):
                return

    def value(self) -> Any:
        """The next value as a whole."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._position)
            except json.JSONDecodeError as error:
                # The value may only be incomplete. The text is doubled before the next try, so that all tries
                # together take linear time.
                if self._may_be_incomplete(error) and self._grow():
                    continue
                raise self._broken(error.msg, error.pos) from None
            except RecursionError:
                raise BrokenJson("it is nested too deeply") from None
            except ValueError as error:
                raise BrokenJson(str(error)) from None
            is_whole = not isinstance(value, int | float) or end + _LONGEST_REST < len(self._buffer)
            if is_whole or not self._grow():
                self._position = end
                return value

    def end(self) -> None:
        """Check that nothing follows but blanks and the NUL bytes of an unfinished copy."""
        while self.peek():
            if self._buffer[self._position :].strip("\0"):
                raise self._broken("Extra data")
            self._position = len(self._buffer)

    def _continues(self, closing: str) -> bool:
        character = self.peek()
        if character not in (",", closing) or not character:
            raise self._broken("Expecting ',' delimiter")
        self._position += 1
        return character == ","

    def _expect(self, character: str) -> None:
        if self.peek() != character:
            raise self._broken(f"Expecting {character!r}")
        self._position += 1

    def _may_be_incomplete(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated") or error.pos + _LONGEST_TOKEN > len(self._buffer)

    def _grow(self) -> bool:
        """Read as much as the buffer has behind the position. False at the end of the document."""
        size = len(self._buffer) - self._position
        if size > self._max_value_characters and not self._ended:
            raise BrokenJson(
                f"a single value is longer than {self._max_value_characters:,} characters", self._line()
            )
        return self._fill(max(size, _CHUNK_BYTES))

    def _fill(self, n_bytes: int) -> bool:
        if self._ended:
            return False
        data = self._stream.read(n_bytes)
        self._ended = not data
        try:
            text = self._text.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            raise BrokenJson(f"it is not UTF-8 (near byte {self._bytes_read + error.start:,})") from None
        if not data:
            return False
        self._bytes_read += len(data)
        self._lines_before += self._buffer.count("\n", 0, self._position)
        self._buffer = self._buffer[self._position :] + text
        self._position = 0
        return True

    def _line(self, position: int | None = None) -> int:
        end = self._position if position is None else position
        return self._lines_before + self._buffer.count("\n", 0, end) + 1

    def _broken(self, what: str, position: int | None = None) -> BrokenJson:
        return BrokenJson(what, self._line(position))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    return values if len(values) == len(pairs) else RepeatedNames(values)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")
