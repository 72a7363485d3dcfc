"""A document read in parts has the values that the standard library reads from the whole, for any cut."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_ml import json_stream
from models_ml.json_stream import BrokenJson, JsonStream, RepeatedNames

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def stream(text: str | bytes, limit: int = 1_000_000, **options: Any) -> JsonStream:
    data = text.encode() if isinstance(text, str) else text
    return JsonStream(io.BytesIO(data), max_value_characters=limit, **options)


@pytest.fixture(scope="module", params=[1, 2, 3, 7, 262_144])
def chunk(request: pytest.FixtureRequest) -> Any:
    """The number of bytes that are read at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK_BYTES", request.param)
        yield


@given(rows=st.lists(VALUES, max_size=5), indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_elements_are_those_of_the_standard_library(
    chunk: None, rows: list[Any], indent: int | None, ascii_only: bool
) -> None:
    document = stream(json.dumps(rows, indent=indent, ensure_ascii=ascii_only))
    assert list(document.elements()) == rows
    document.end()


@given(content=st.dictionaries(st.text(max_size=5), VALUES, max_size=5))
def test_names_and_values_of_an_object(chunk: None, content: dict[str, Any]) -> None:
    document = stream(json.dumps(content))
    assert {name: document.value() for name in document.names()} == content
    document.end()


def read_all(document: JsonStream) -> None:
    list(document.elements())
    document.end()


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("[1, 2", "delimiter", 1),
        ("[1,\n2 3]", "delimiter", 2),
        ("[\n\n{'a': 1}]", "property name", 3),
        ('["abc', "Unterminated string", 1),
        ("[tru]", "Expecting value", 1),
        ("[1]\n[2]", "Extra data", 2),
        ("5", r"Expecting '\['", 1),
        ("", r"Expecting '\['", 1),
        ("[" * 100_000, "nested too deeply", 0),
        ('[{"a":' * 100_000, "nested too deeply", 0),
        ("[1" + "0" * 5_000 + "]", "digits", 0),
        (b'["\xff"]', "not UTF-8", 0),
        ('["' + "x" * 2_000_000, "longer than 1,000,000", 1),
    ],
)
def test_a_broken_document_is_refused_with_the_line(text: str | bytes, what: str, line: int) -> None:
    document = stream(text)
    with pytest.raises(BrokenJson, match=what) as error:
        read_all(document)
    assert error.value.line == line


def test_a_fault_at_the_start_of_a_long_document_is_found_without_reading_on() -> None:
    data = io.BytesIO(b"[1 2," + b" " * 50_000_000)
    with pytest.raises(BrokenJson, match="delimiter"):
        list(JsonStream(data, max_value_characters=10**9).elements())
    assert data.tell() < 1_000_000


def test_repeated_names_and_constants_are_noticed() -> None:
    (row,) = stream('[{"a": 1, "a": 2}]').elements()
    assert isinstance(row, RepeatedNames)
    with pytest.raises(BrokenJson, match="NaN"):
        list(stream("[NaN]", allow_nan=False).elements())


def test_memory_is_that_of_one_value() -> None:
    data = io.BytesIO(b"[" + b",".join([json.dumps([1.5] * 1000).encode()] * 3_000) + b"]")
    tracemalloc.start()
    count = sum(1 for _ in JsonStream(data, max_value_characters=10**6).elements())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (count, peak < 3_000_000) == (3_000, True)
