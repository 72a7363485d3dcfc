"""Drawings can be used inside HTML, have an accessible name, and never fail on bad text."""

from __future__ import annotations

import re
from xml.dom import minidom

import pytest

from models_ml.molecules.depict import depict_svg

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


def test_a_drawing_is_one_accessible_svg_element() -> None:
    svg = depict_svg(ASPIRIN, 300, 200, title='Aspirin <"ASA">')
    root = minidom.parseString(svg).documentElement  # noqa: S318 (trusted text)
    assert root is not None
    assert root.tagName == "svg"
    assert root.getAttribute("role") == "img"
    assert root.getAttribute("aria-label") == 'Aspirin <"ASA">'
    assert root.getAttribute("width") == "300px"
    assert "<title>Aspirin &lt;" in svg
    assert svg.startswith("<svg")
    assert "<rect" not in svg  # transparent


def test_a_drawing_needs_no_inline_styles_or_scripts() -> None:
    svg = depict_svg(ASPIRIN, highlight_atoms=(0, 1, 2))
    assert not re.search(r"style=|<script|<style|on\w+=", svg)
    assert "currentColor" in svg


def test_highlighted_atoms_change_the_drawing_and_unknown_indices_do_not() -> None:
    plain = depict_svg(ASPIRIN)
    assert depict_svg(ASPIRIN, highlight_atoms=(0, 1)) != plain
    assert depict_svg(ASPIRIN, highlight_atoms=(99, -1)) == plain


def test_equal_calls_give_equal_drawings() -> None:
    assert depict_svg(ASPIRIN, 200, 150) == depict_svg(ASPIRIN, 200, 150)


@pytest.mark.parametrize("text", ["", "no structure <script>", "C" * 20_000, "*", "c1ccc"])
def test_text_that_is_not_a_structure_gives_a_notice(text: str) -> None:
    svg = depict_svg(text, 100, 80)
    minidom.parseString(svg)  # noqa: S318 (trusted text)
    assert "No structure" in svg
    assert "<script" not in svg


def test_sizes_are_bounded() -> None:
    assert 'width="2000"' in depict_svg("", 10**9, 10)
