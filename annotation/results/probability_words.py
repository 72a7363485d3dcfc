"""The probability of rank 1 in words. The words follow the number and never contradict it."""

from __future__ import annotations

from typing import Protocol

ONLY_CANDIDATE = "only candidate, not compared"
IF_IN_LIBRARY = "if the library has it"
# Least probability, and its words.
SCALE = (
    (0.9, "very likely"),
    (0.75, "likely"),
    (0.5, "more likely than not"),
    (0.25, "uncertain"),
    (0.0, "unlikely"),
)


class Confident(Protocol):
    """An annotation, as a row or as a view."""

    @property
    def p_right(self) -> float | None: ...
    @property
    def n_candidates(self) -> int: ...
    @property
    def abstains(self) -> bool | None: ...


def probability_words(annotation: Confident) -> str:
    """Words for `p_right`; empty without a probability.

    An only candidate has nothing to be compared with, so its number says only how well it explains the
    spectrum. Where "none of these" would win in a library with more gaps, the words name that condition.
    """
    if annotation.p_right is None:
        return ""
    if annotation.n_candidates == 1:
        return ONLY_CANDIDATE
    words = next(words for least, words in SCALE if annotation.p_right >= least)
    return f"{words}, {IF_IN_LIBRARY}" if annotation.abstains and annotation.p_right >= 0.5 else words
