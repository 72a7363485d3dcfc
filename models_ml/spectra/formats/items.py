"""Values that readers exchange: limits, issues, and raw records whose fields are not interpreted yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from models_ml.spectra.survey import Document, Ms1Block
from models_ml.unreadable import UnreadableFile

if TYPE_CHECKING:
    from models_ml.spectra.formats.survey_scan import SurveyScan

Severity = Literal["rejected", "repaired", "skipped"]
WHOLE_FILE = -1  # SpectrumIssue.index of an issue of the file, not of a spectrum


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits of reading. A limit of the file ends the reading; a limit of a spectrum rejects it."""

    max_file_bytes: int = 20 * 2**30  # after decompression, all members together
    max_spectra: int = 2_000_000
    max_members: int = 500_000  # of a zip or tar
    max_line_length: int = 4 * 2**20
    max_json_bytes: int = 128 * 2**20  # JSON is the only format that is held in memory
    max_peaks_per_spectrum: int = 100_000
    max_ms1_points: int = 500_000  # MS1 scans are often profiles; larger ones are not surveyed
    max_fields_per_spectrum: int = 2_000
    max_field_length: int = 65_536


class LimitReached(UnreadableFile):
    """A limit of the file is exceeded. Reading ends, also of the other members of an archive."""


@dataclass(frozen=True, slots=True)
class SpectrumIssue:
    """One message about a spectrum, or about the file if ``index`` is WHOLE_FILE.

    A *repaired* issue is followed by the repaired Spectrum. *rejected* and *skipped* issues replace it.
    """

    index: int  # 0-based count of records in the file
    position: str  # "line 120", "scan 17", "record MSBNK-…"; with "in member x.txt" inside an archive
    severity: Severity
    code: str
    reason: str
    remedy: str
    title: str = ""
    ms1: Ms1Block | None = field(
        default=None, compare=False
    )  # the peaks of a skipped MS1 record of a text file


@dataclass(frozen=True, slots=True)
class Fault:
    """An error in a record: the reason and how to fix it."""

    code: str
    reason: str
    remedy: str


class UnusableRecord(Exception):
    """The record is rejected, with this fault."""

    def __init__(self, code: str, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.fault = Fault(code, reason, remedy)


@dataclass(slots=True)
class RawRecord:
    """One record after parsing. `fields.to_spectrum` interprets its fields."""

    position: str
    fields: dict[str, str] = field(default_factory=dict)  # as written
    mz: Sequence[float] | NDArray[np.float64] = ()
    intensity: Sequence[float] | NDArray[np.float64] = ()
    fault: Fault | None = None  # the reason why it cannot be used
    repairs: list[Fault] = field(default_factory=list)  # made by the format's reader
    time_unit_s: float | None = None  # unit of a retention time without a unit, in seconds
    not_ms2: str = ""  # why the record is not an MS2 scan, if the format states it
    withdrawn: str = ""  # why the authors of the record advise against its use
    profile: bool | None = None  # whether the peaks are a profile; None if the format does not state it
    survey_scan: SurveyScan | None = None  # the MS1 scan before it, in a raw run
    document: Document | None = None
