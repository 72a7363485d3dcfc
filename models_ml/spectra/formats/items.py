"""What passes between the readers: limits, issues, refusals, and a record not yet understood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Severity = Literal["rejected", "repaired", "skipped"]
WHOLE_FILE = -1  # SpectrumIssue.index of an issue that belongs to no single spectrum


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Bounds on what is read. Those of the whole file end the reading; the others reject one spectrum."""

    max_file_bytes: int = 20 * 2**30  # after decompression, all members together
    max_spectra: int = 2_000_000
    max_members: int = 500_000  # of a zip or tar
    max_line_length: int = 4 * 2**20
    max_json_bytes: int = 128 * 2**20  # JSON is the one format that is held in memory
    max_peaks_per_spectrum: int = 100_000
    max_fields_per_spectrum: int = 2_000
    max_field_length: int = 65_536


class UnreadableFile(Exception):
    """The file as a whole is refused: what is wrong, where, and how to mend it."""

    def __init__(self, what: str, where: str, remedy: str) -> None:
        super().__init__(what, where, remedy)  # all three, so that it crosses process borders
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.what}{place}. {self.remedy}"


class LimitReached(UnreadableFile):
    """A limit of the whole file: reading ends, even inside an archive whose other members are fine."""


@dataclass(frozen=True, slots=True)
class SpectrumIssue:
    """One thing said about one spectrum, or about the file where ``index`` is WHOLE_FILE.

    A *repaired* issue is followed by the repaired Spectrum; *rejected* and *skipped* stand in its place.
    """

    index: int  # 0-based count of records in the file
    position: str  # "line 120", "scan 17", "record MSBNK-…"; with "in member x.txt" inside an archive
    severity: Severity
    code: str
    reason: str
    remedy: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a record: why, and how to mend it."""

    code: str
    reason: str
    remedy: str


@dataclass(slots=True)
class RawRecord:
    """One record as its format gives it. Syntax is done, meaning is not: see fields.to_spectrum."""

    position: str
    fields: dict[str, str] = field(default_factory=dict)  # as written
    mz: Sequence[float] | NDArray[np.float64] = ()
    intensity: Sequence[float] | NDArray[np.float64] = ()
    fault: Fault | None = None  # it cannot be used
    repairs: list[Fault] = field(default_factory=list)  # done by the format's reader, to be said
    time_unit_s: float | None = None  # what a retention time without a unit is counted in
    not_ms2: str = ""  # the format itself says that this is no MS2 scan, and why
