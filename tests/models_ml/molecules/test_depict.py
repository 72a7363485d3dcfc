"""Drawings can be used inside HTML, have an accessible name, and never fail on bad text."""

from __future__ import annotations

import re
import time
from xml.dom import minidom

import pytest

from models_ml.molecules.aligned import LIST_S, PAIR_S, align, forget
from models_ml.molecules.depict import NOT_ALIGNED, depict_aligned, depict_svg
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


@pytest.fixture(autouse=True)
def _whole_budget() -> None:
    forget()


def test_a_drawing_aligned_to_a_similar_structure_marks_what_differs() -> None:
    ortho, para = "CCCCOc1ccccc1C(=O)O", "CCCCOc1ccc(C(=O)O)cc1"
    assert depict_aligned(para, ortho) != (depict_svg(para), True)
    aligned = align(parse_structure(para), parse_structure(ortho))
    assert 0 < len(aligned.differing) <= 3  # the carboxyl group, which sits elsewhere
    assert aligned.mol.GetNumConformers() == 1
    assert aligned.in_time
    assert align(parse_structure(ortho), parse_structure(ortho)).differing == ()


def test_structures_with_little_in_common_are_drawn_without_marks() -> None:
    aligned = align(parse_structure("CCCCCCCCO"), parse_structure(ASPIRIN))
    assert (aligned.differing, aligned.in_time) == ((), True)
    assert "No structure" in depict_aligned(ASPIRIN, "no structure")[0]


CAGE = "C12C3C4C1C5C2C3C45"
CAGES = [CAGE + "CC(C1CC2CCC1C2)" * 6, *(CAGE + "C(C1CC2CCC1C2)C" * 5 + "C" * n for n in range(1, 9))]


def test_a_search_that_would_not_end_is_stopped_and_the_drawing_says_so() -> None:
    started = time.process_time()
    aligned = align(*(parse_structure(text) for text in CAGES[:2]))
    assert time.process_time() - started < 1
    assert (aligned.in_time, aligned.is_final, aligned.differing) == (False, True, ())
    assert aligned.mol.GetNumConformers() == 1
    svg, _ = depict_aligned(CAGES[0], CAGES[1])
    assert NOT_ALIGNED in svg
    minidom.parseString(svg)  # noqa: S318 (trusted text)


def test_drawings_of_one_list_share_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    like = parse_structure(CAGES[0])
    drawn = [align(parse_structure(text), like) for text in CAGES[1:]]
    assert not any(aligned.in_time for aligned in drawn)
    # The first searches had their whole time, and are not repeated. The others had none.
    n_final = sum(aligned.is_final for aligned in drawn)
    assert 1 <= n_final <= round(LIST_S / PAIR_S)
    assert [aligned.is_final for aligned in drawn] == sorted(
        (aligned.is_final for aligned in drawn), reverse=True
    )
    started = time.process_time()
    for text in CAGES[1:]:
        align(parse_structure(text), like)
    assert time.process_time() - started < LIST_S
    # Another list has its own budget, and after a while this one has it again.
    assert align(parse_structure("CCCCCCO"), parse_structure("CCCCCCCO")).in_time
    monkeypatch.setattr("models_ml.molecules.aligned.WINDOW_S", -1.0)
    assert align(parse_structure(CAGES[-1]), like).is_final


def test_what_was_found_in_time_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    ortho, para = (parse_structure(text) for text in ("CCCCOc1ccccc1C(=O)O", "CCCCOc1ccc(C(=O)O)cc1"))
    first = align(para, ortho)
    monkeypatch.setattr("models_ml.molecules.aligned.LIST_S", 0.0)
    assert align(para, ortho).differing == first.differing
