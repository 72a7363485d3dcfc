"""Read a spectrum file and group its spectra, in the bounded child process. Imports no Django."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from models_ml.features.grouping import FeatureGroup, Grouper, GroupingSettings
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


Item = Detected | UsableSpectrum | SpectrumIssue | FeatureGroup | Refused


def read(path: Path, limits: ReadLimits, grouping: GroupingSettings | None = None) -> Iterator[Item]:
    """The items of the file, in order, then the features of its usable spectra. None: without features."""
    n_found, grouper = 0, Grouper(grouping) if grouping else None
    try:
        yield Detected(detect_format(path))
        for item in read_spectra(path, limits=limits):
            if isinstance(item, Spectrum):
                if grouper:
                    grouper.add(n_found, item)
                # What MS1 shows travels with the feature.
                yield UsableSpectrum(n_found, replace(item, survey=None), splash(item.mz, item.intensity))
                n_found += 1
                continue
            if grouper:
                grouper.note(item)
            yield replace(item, ms1=None)
            # A repaired spectrum follows its issue. A rejected or skipped spectrum has only the issue.
            if item.severity != "repaired" and item.index != WHOLE_FILE:
                n_found += 1
        if grouper:
            yield from grouper.groups()
    except UnreadableFile as refusal:
        yield Refused(str(refusal))
