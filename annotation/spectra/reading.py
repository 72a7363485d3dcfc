"""Read a spectrum file in the bounded child process. Imports no Django."""

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
    """The first item of a readable file."""

    format: str


@dataclass(frozen=True, slots=True)
class UsableSpectrum:
    """A usable spectrum, its index in the file and its SPLASH."""

    source_index: int
    spectrum: Spectrum
    splash: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The last item of a file that is refused as a whole. All items before it are void."""

    reason: str


Item = Detected | UsableSpectrum | SpectrumIssue | Refused


def read(path: Path, limits: ReadLimits) -> Iterator[Item]:
    """The items of the file, in order."""
    n_found = 0
    try:
        yield Detected(detect_format(path))
        for item in read_spectra(path, limits=limits):
            if isinstance(item, Spectrum):
                yield UsableSpectrum(n_found, item, splash(item.mz, item.intensity))
                n_found += 1
                continue
            yield item
            # A repaired spectrum follows its issue. A rejected or skipped spectrum has only the issue.
            if item.severity != "repaired" and item.index != WHOLE_FILE:
                n_found += 1
    except UnreadableFile as refusal:
        yield Refused(str(refusal))
