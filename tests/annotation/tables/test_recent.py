"""Answers that a process remembers."""

from __future__ import annotations

from annotation.tables.recent import RecentAnswers


def test_the_answer_not_asked_for_longest_makes_room() -> None:
    recent: RecentAnswers[str, int] = RecentAnswers(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)
    recent.clear()
    assert recent.get("a") is None
