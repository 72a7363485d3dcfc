"""Long texts of curators: refused by their length, and searched in linear time."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.api.serializers.results import VerdictInputSerializer
from annotation.plain_text import LONGEST_TEXT
from annotation.review.rules import names_reference
from annotation.web.forms import VerdictForm

# What `names_reference` replaces: the same texts, in quadratic time.
SLOW = re.compile(r"(?<![\w-])(?=[\w:.-]*\d)[A-Za-z][\w:.-]{4,}")


@given(st.text("aB7:.-_ ,é", max_size=30))
@settings(max_examples=500, deadline=None)
def test_reference_ids_are_found_as_before(text: str) -> None:
    assert names_reference(text) == bool(SLOW.search(text))


def test_a_hostile_reason_takes_no_time() -> None:
    started = time.thread_time()
    assert not names_reference("a:" * 40_000)
    assert time.thread_time() - started < 0.2


@pytest.mark.parametrize("field", ["reason", "comment", "proposed_smiles"])
def test_long_texts_are_refused_on_the_page_and_over_rest(field: str) -> None:
    values = {"decision": "reject", field: "x" * (LONGEST_TEXT + 1)}
    serializer = VerdictInputSerializer(data=values)
    assert not serializer.is_valid()
    assert list(serializer.errors) == [field]
    assert field in VerdictForm(values).errors
