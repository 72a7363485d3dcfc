"""The way in: a file of any known format becomes a stream of spectra and issues. To add a format, add one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from models_ml.spectra.formats.detect import detect
from models_ml.spectra.formats.fields import to_spectrum
from models_ml.spectra.formats.items import (
    WHOLE_FILE,
    RawRecord,
    ReadLimits,
    SpectrumIssue,
    UnreadableFile,
)
from models_ml.spectra.formats.mgf import read_mgf
from models_ml.spectra.formats.source import Budget, Source, gunzip_if_needed
from models_ml.spectra.spectrum import Spectrum

# A reader turns a Source into records, and issues of its own about the file as a whole.
Reader = Callable[[Source], Iterator[RawRecord | SpectrumIssue]]

READERS: dict[str, Reader] = {
    "mgf": read_mgf,
}


def read_spectra(path: Path, *, limits: ReadLimits = ReadLimits()) -> Iterator[Spectrum | SpectrumIssue]:
    """Stream a file's spectra in file order, with an issue for whatever was repaired, rejected or skipped.

    Raises UnreadableFile where the file as a whole is refused, possibly after some spectra; a file that
    breaks off yields what stands before the break and then one issue with index WHOLE_FILE.
    """
    index = 0
    with path.open("rb") as file:
        source = Source(gunzip_if_needed(file), budget=Budget(limits.max_file_bytes), limits=limits)
        for item in _records(source):
            if isinstance(item, SpectrumIssue):
                yield item
                continue
            if index >= limits.max_spectra:
                raise UnreadableFile(
                    f"The file holds more than {limits.max_spectra:,} spectra",
                    item.position,
                    "Split it into smaller files, or ask the administrator to raise the limit.",
                )
            yield from to_spectrum(item, index, limits)
            index += 1


def detect_format(path: Path) -> str:
    """Name the format from the content: "mgf", "msp", "massbank", "mzml", "mzxml", "json", "zip" or "tar"."""
    with path.open("rb") as file:
        limits = ReadLimits()
        source = Source(gunzip_if_needed(file), budget=Budget(limits.max_file_bytes), limits=limits)
        return detect(source.head(), "at its beginning")


def _records(source: Source) -> Iterator[RawRecord | SpectrumIssue]:
    yield from READERS[detect(source.head(), source.at("at its beginning"))](source)
    if source.broken:
        yield broken_off(source)


def broken_off(source: Source) -> SpectrumIssue:
    """What is said at the end of data that ended before its time."""
    return SpectrumIssue(
        WHOLE_FILE,
        source.at("at the end of the readable part"),
        "rejected",
        "truncated_file",
        f"The compressed data breaks off or is damaged ({source.broken}); what stands before the break was read.",
        "Copy or export the file again.",
    )
