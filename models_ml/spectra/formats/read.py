"""Reads a spectrum file of any supported format as a stream of spectra and issues.

To add a format, write a module with a reader, and add it to READERS and to detect.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import IO

from models_ml.spectra.formats.archive import BrokenArchive, archive_kind, members
from models_ml.spectra.formats.detect import detect
from models_ml.spectra.formats.fields import to_spectrum
from models_ml.spectra.formats.items import (
    WHOLE_FILE,
    LimitReached,
    RawRecord,
    ReadLimits,
    SpectrumIssue,
)
from models_ml.spectra.formats.json_spectra import read_json
from models_ml.spectra.formats.massbank import read_massbank
from models_ml.spectra.formats.mgf import read_mgf
from models_ml.spectra.formats.msp import read_msp
from models_ml.spectra.formats.mzml import read_mzml
from models_ml.spectra.formats.mzxml import read_mzxml
from models_ml.spectra.formats.sirius_ms import read_sirius_ms
from models_ml.spectra.formats.source import Budget, Source, gunzip_if_needed
from models_ml.spectra.formats.supported import FORMATS, listed
from models_ml.spectra.spectrum import Spectrum
from models_ml.spectra.survey import Document
from models_ml.text_lines import Readable
from models_ml.unreadable import UnreadableFile

Item = RawRecord | SpectrumIssue
# A reader yields the records of a Source, and issues about the file.
Reader = Callable[[Source], Iterator[Item]]

READERS: dict[str, Reader] = {
    "mgf": read_mgf,
    "msp": read_msp,
    "massbank": read_massbank,
    "mzml": read_mzml,
    "mzxml": read_mzxml,
    "json": read_json,
    "sirius": read_sirius_ms,
}
DEFAULT_LIMITS = ReadLimits()


def read_records(path: Path, *, limits: ReadLimits = DEFAULT_LIMITS) -> Iterator[Item]:
    """Stream the records of a file before they are interpreted, and issues of the file.

    Raises UnreadableFile as `read_spectra` does.
    """
    with path.open("rb") as file:
        yield from _items(file, limits)


def read_spectra(path: Path, *, limits: ReadLimits = DEFAULT_LIMITS) -> Iterator[Spectrum | SpectrumIssue]:
    """Stream the spectra of a file in file order, with an issue for each repaired, rejected or skipped one.

    Raises UnreadableFile if the file is refused, possibly after some spectra. A file that is cut off or
    damaged yields the part before the damage and then one issue with index WHOLE_FILE.
    """
    index = 0
    has_issue = False
    for item in read_records(path, limits=limits):
        if isinstance(item, SpectrumIssue):
            has_issue = has_issue or item.severity == "rejected"
            yield item
            continue
        if index >= limits.max_spectra:
            raise LimitReached(
                f"The file holds more than {limits.max_spectra:,} spectra",
                item.position,
                "Split it into smaller files, or ask the administrator to raise the limit.",
            )
        yield from to_spectrum(item, index, limits)
        index += 1
    if index == 0 and not has_issue:
        yield _about_file("whole file", "no_spectra", "The file holds no spectra.",
                          "Check the export: chromatograms without spectra cannot be annotated.")  # fmt: skip


def detect_format(path: Path) -> str:
    """Format from the content: "mgf", "msp", "massbank", "mzml", "mzxml", "json", "sirius", "zip" or
    "tar".

    Raises UnreadableFile, with what the file is, for anything else.
    """
    with path.open("rb") as file:
        if archive_kind(file.peek()) == "zip":
            return "zip"
        head = _open(file, Budget(DEFAULT_LIMITS.max_file_bytes), DEFAULT_LIMITS).head()
        return archive_kind(head) or detect(head, "at its beginning")


def _open(inner: Readable, budget: Budget, limits: ReadLimits, member: str = "") -> Source:
    return Source(gunzip_if_needed(inner), budget=budget, limits=limits, member=member)


def _items(file: BufferedReader, limits: ReadLimits) -> Iterator[Item]:
    # The directory of a zip is at its end, so a zip is never decompressed as a stream.
    if archive_kind(file.peek()) == "zip":
        yield from _archive_items("zip", file, limits)
        return
    source = _open(file, Budget(limits.max_file_bytes), limits)
    if archive_kind(source.head()) == "tar":
        yield from _archive_items("tar", source.stream, limits)
    else:
        yield from _document_items(source)


def _document_items(source: Source) -> Iterator[Item]:
    beginning = source.at("at its beginning")
    head = source.head()
    if not head and source.broken:
        what = f"The compressed data is damaged from the start ({source.broken})"
        raise UnreadableFile(what, beginning, "Copy or export the file again.")
    format_name = detect(head, beginning)
    document = Document(source.member, format_name)
    for item in READERS[format_name](source):
        source.restart_line_count()
        if isinstance(item, RawRecord):
            item.document = document
        yield item
    if source.broken:
        yield _damaged(source.broken, source.at("at the end of the readable part"))


def _archive_items(kind: str, stream: IO[bytes], limits: ReadLimits) -> Iterator[Item]:
    budget = Budget(limits.max_file_bytes)
    readable = 0
    try:
        for name, inner in members(kind, stream, limits):
            try:
                yield from _document_items(_open(inner, budget, limits, member=name))
                readable += 1
            except LimitReached:
                raise
            except UnreadableFile as refusal:
                yield _about_file(f"member {name}", "unreadable_member", f"{refusal.what}.", refusal.remedy)
    except BrokenArchive as error:
        if not readable:
            raise UnreadableFile(
                f"The {kind} archive is damaged ({error})", "", "Copy or compress it again."
            ) from None
        yield _damaged(str(error), f"after {readable} members")
    if not readable:
        raise UnreadableFile(
            f"The {kind} archive holds no spectrum file", "",
            f"Add {listed(FORMATS)} files to it, without archives inside.",
        )  # fmt: skip


def _damaged(cause: str, position: str) -> SpectrumIssue:
    reason = f"The compressed data is cut off or damaged ({cause}). Spectra after the damage are missing."
    return _about_file(position, "truncated_file", reason, "Copy or export the file again.")


def _about_file(position: str, code: str, reason: str, remedy: str) -> SpectrumIssue:
    return SpectrumIssue(WHOLE_FILE, position, "rejected", code, reason, remedy)
