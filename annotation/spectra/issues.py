"""The issues of a file as its report lists them: skipped spectra with the same reason are one line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from models_ml.spectra.formats import SpectrumIssue

# All issues are counted, but only this many of a severity are stored.
MAX_STORED_ISSUES = 5_000


@dataclass(slots=True)
class IssueLine:
    """One line of the report, for `n` spectra."""

    first: SpectrumIssue
    n: int = 1

    @property
    def index(self) -> int:
        return self.first.index

    @property
    def position(self) -> str:
        return self.first.position if self.n == 1 else f"{self.n:,} spectra, first at {self.first.position}"

    @property
    def title(self) -> str:
        return self.first.title if self.n == 1 else ""

    @property
    def severity(self) -> str:
        return self.first.severity

    @property
    def code(self) -> str:
        return self.first.code

    @property
    def reason(self) -> str:
        return self.first.reason

    @property
    def remedy(self) -> str:
        return self.first.remedy


class IssueLines:
    """The first lines of each severity. A run with 100,000 skipped MS1 scans makes one line for them."""

    def __init__(self) -> None:
        self.kept: list[IssueLine] = []
        self._n: Counter[str] = Counter()
        self._skipped: dict[tuple[str, str], IssueLine] = {}  # by code and reason

    def add(self, issue: SpectrumIssue) -> None:
        same = self._skipped.get((issue.code, issue.reason)) if issue.severity == "skipped" else None
        if same is not None:
            same.n += 1
            return
        self._n[issue.severity] += 1
        if self._n[issue.severity] > MAX_STORED_ISSUES:
            return
        line = IssueLine(issue)
        self.kept.append(line)
        if issue.severity == "skipped":
            self._skipped[issue.code, issue.reason] = line
