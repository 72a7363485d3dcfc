"""The report of one file: how many spectra were found, used, repaired, rejected and skipped."""

from __future__ import annotations

from dataclasses import dataclass

from models_ml.spectra.formats.items import WHOLE_FILE, SpectrumIssue
from models_ml.spectra.spectrum import Spectrum


@dataclass(frozen=True, slots=True)
class ReadReport:
    """found = ms2 + skipped; ms2 = usable + rejected. Repaired spectra are usable."""

    found: int
    ms2: int
    usable: int
    repaired: int
    rejected: int
    skipped: int
    file_issues: int = 0  # issues of the file, such as a damaged end


class Tally:
    """Counts a stream of items."""

    def __init__(self) -> None:
        self._usable = self._repaired = self._rejected = self._skipped = self._file_issues = 0
        self._last_repaired = WHOLE_FILE

    def add(self, item: Spectrum | SpectrumIssue) -> None:
        if isinstance(item, Spectrum):
            self._usable += 1
        elif item.index == WHOLE_FILE:
            self._file_issues += 1
        elif item.severity == "rejected":
            self._rejected += 1
        elif item.severity == "skipped":
            self._skipped += 1
        elif item.index != self._last_repaired:  # several repairs of one spectrum count once
            self._last_repaired = item.index
            self._repaired += 1

    @property
    def report(self) -> ReadReport:
        ms2 = self._usable + self._rejected
        return ReadReport(
            found=ms2 + self._skipped,
            ms2=ms2,
            usable=self._usable,
            repaired=self._repaired,
            rejected=self._rejected,
            skipped=self._skipped,
            file_issues=self._file_issues,
        )
