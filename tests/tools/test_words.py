"""The check of banned words: what it finds, what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import words

BANNED = words.pattern(["beet", "crop of turnips", "old radish"])


def found(text: str) -> list[tuple[int, str]]:
    return list(words.find(text, BANNED))


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("how to beet it", "beet"),
        ("Beet it.", "beet"),
        ("def beet_file() -> None: ...", "beet"),
        ("class FileBeet: ...", "beet"),
        ("the last crop of turnips", "crop of turnips"),
        ("last_crop_of_turnips = now", "crop of turnips"),
        ("a `crop` of **turnips**", "crop of turnips"),
    ],
)
def test_found(text: str, phrase: str) -> None:
    assert found(text) == [(1, phrase)]


def test_a_phrase_that_a_line_break_divides_is_found_at_its_first_line() -> None:
    assert found("# Old\n# radish leaves\n") == [(1, "old radish")]
    assert found('x = (\n    "Old "\n    "radish leaves"\n)\n') == [(2, "old radish")]


@pytest.mark.parametrize("text", ["beetroots", "beeting", "sugarbeet", "a crop, of turnips"])
def test_other_words_are_left_alone(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "line",
    [
        'tensors["beet"]  # stored name',
        "{{ row.beet }} {# stored name #}",
        "`beet` <!-- stored name -->",
        "const beet = row.beet; // stored name",
    ],
)
def test_a_stored_name_is_allowed_on_its_own_line_only(line: str) -> None:
    assert found(line) == []
    assert found(f"{line}\nbeet\n") == [(2, "beet")]


def test_the_words_stored_name_alone_allow_nothing() -> None:
    assert found("beet the stored name") == [(1, "beet")]


def test_names_of_files_are_checked_and_binary_files_passed_over(tmp_path: Path) -> None:
    (tmp_path / "beet.py").write_text("x = 1\n")
    (tmp_path / "picture.bin").write_bytes(b"\xff\xfe beet")
    findings = words.check(["beet.py", "picture.bin", "gone.py"], BANNED, tmp_path)
    assert list(map(str, findings)) == ["beet.py:0: beet"]


@pytest.mark.parametrize(
    ("file", "is_excluded"),
    [
        ("LICENSE", True),
        ("requirements/web.lock", True),
        ("annotation/migrations/0001_initial.py", True),
        ("models_ml/checkpoints/glmr-0.6/config.json", True),
        ("models_ml/checkpoints/glmr-0.6/MODEL_CARD.md", False),
        ("models_ml/molecules/data/well_known.csv", True),
        ("annotation/templates/annotation/base.html", False),
        ("README.md", False),
    ],
)
def test_what_nobody_writes_by_hand_is_excluded(file: str, is_excluded: bool) -> None:
    assert bool(words.EXCLUDED.search(file)) is is_excluded


def test_the_list_has_no_empty_and_no_repeated_phrase() -> None:
    phrases = words.read_phrases()
    assert len(phrases) == len(set(phrases)) > 20
    assert all(phrase == phrase.strip().lower() for phrase in phrases)
