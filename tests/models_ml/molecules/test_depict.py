"""Drawings can be used inside HTML, have an accessible name, and never fail on bad text."""

from __future__ import annotations

import re
import time
from xml.dom import minidom

import pytest

from models_ml.molecules.aligned import align
from models_ml.molecules.depict import depict_svg
from models_ml.molecules.structure_text import parse_structure

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


def test_a_drawing_aligned_to_a_similar_structure_marks_what_differs() -> None:
    ortho, para = "CCCCOc1ccccc1C(=O)O", "CCCCOc1ccc(C(=O)O)cc1"
    aligned = depict_svg(para, like=ortho)
    assert aligned != depict_svg(para)
    mol, differing = align(parse_structure(para), parse_structure(ortho))
    assert 0 < len(differing) <= 3  # the carboxyl group, which sits elsewhere
    assert mol.GetNumConformers() == 1
    assert align(parse_structure(ortho), parse_structure(ortho))[1] == ()


def test_structures_with_little_in_common_are_drawn_without_marks() -> None:
    _, differing = align(parse_structure("CCCCCCCCO"), parse_structure(ASPIRIN))
    assert differing == ()
    assert depict_svg(ASPIRIN, like="no structure").count("No structure") > 0


def test_a_search_that_would_not_end_is_bounded() -> None:
    cages = ("C12C3C4C1C5C2C3C45" + "CC(C1CC2CCC1C2)" * 6, "C12C3C4C1C5C2C3C45" + "C(C1CC2CCC1C2)C" * 6)
    started = time.perf_counter()
    align(*(parse_structure(text) for text in cages))
    assert time.perf_counter() - started < 10
