"""Reading a spectrum file in the bounded child process: what runs there and what it sends back. No Django."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models_ml.spectra.formats import (
    WHOLE_FILE,
    ReadLimits,
    SpectrumIssue,
    UnreadableFile,
    detect_format,
    read_spectra,
)
from models_ml.spectra.spectrum import Spectrum
from models_ml.spectra.splash import splash


@dataclass(frozen=True, slots=True)
class Detected:
    """The first thing said about a readable file."""

    format: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A usable spectrum, its place in the file and its SPLASH."""

    source_index: int
    spectrum: Spectrum
    splash: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The last thing said about a file that is refused as a whole; whatever came before is void."""

    reason: str


Item = Detected | Placed | SpectrumIssue | Refused


def read(path: Path, limits: ReadLimits) -> Iterator[Item]:
    """Everything in the file, in its order."""
    n_found = 0
    try:
        yield Detected(detect_format(path))
        for item in read_spectra(path, limits=limits):
            if isinstance(item, Spectrum):
                yield Placed(n_found, item, splash(item.mz, item.intensity))
                n_found += 1
                continue
            yield item
            # A repaired spectrum still follows; of a rejected or skipped one there is only this issue.
            if item.severity != "repaired" and item.index != WHOLE_FILE:
                n_found += 1
    except UnreadableFile as refusal:
        yield Refused(str(refusal))
