"""Detects the format of a document from its first bytes. Never uses the name or extension of the file."""

from __future__ import annotations

import re

from models_ml.spectra.formats.supported import FORMATS, SUPPORTED, listed
from models_ml.unreadable import UnreadableFile

_SUPPORTED = f"Supported formats: {SUPPORTED}."

_MAGIC = (
    (b"BZh", "a bzip2 archive", "Unpack it, or compress it as gz or zip."),
    (b"\xfd7zXZ\x00", "an xz archive", "Unpack it, or compress it as gz or zip."),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "Unpack it, or compress it as gz or zip."),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "Unpack it, or compress it as gz or zip."),
    (b"Rar!", "a RAR archive", "Unpack it, or compress it as gz or zip."),
    (b"PK\x03\x04", "a zip archive inside another archive", "Upload the inner zip archive."),
    (b"%PDF", "a PDF document", _SUPPORTED),
    (b"\x89HDF", "an HDF5 file", "Convert it to mzML with ProteoWizard msConvert."),
    (b"\x01\xa1F\x00i\x00n\x00n", "a Thermo raw file", "Convert it to mzML with ProteoWizard msConvert."),
    (b"SQLite format 3", "an SQLite database", "Convert it to mzML or MGF."),
    (b"\xff\xfe", "text in UTF-16", "Save it as UTF-8."),
    (b"\xfe\xff", "text in UTF-16", "Save it as UTF-8."),
)

# Known formats that cannot be annotated: pattern, name, remedy.
_REFUSED = (
    (re.compile(rb"\A\s*<mzSpecLib", re.I), "an mzSpecLib library", "Convert it to MSP or MGF."),
    (re.compile(rb"\A\s*\{[^{}]{0,2000}\"format_version\"\s*:", re.S), "an mzSpecLib library in JSON",
     "Convert it to MSP or MGF."),
    (re.compile(rb"^MTD\tmzTab-version", re.M), "an mzTab results table",
     "Upload the spectra that it refers to."),
    (re.compile(rb"^(?:\$\$\$\$|M  END|.{30,40}V[23]000)\s*$", re.M), "an SDF file of structures",
     f"Import it as a library. Upload spectra as {listed(FORMATS)}."),
    (re.compile(rb"<mzData[\s>]"), "an mzData file", "Convert it to mzML with ProteoWizard msConvert."),
    (re.compile(rb"<(?:!DOCTYPE )?html", re.I), "a web page",
     "Download the file itself, not the page that links to it."),
)  # fmt: skip

_RECOGNISED = (
    ("mzml", re.compile(rb"<(?:\w+:)?(?:indexed)?mzML[\s>]")),
    ("mzxml", re.compile(rb"<(?:\w+:)?mzXML[\s>]")),
    ("mgf", re.compile(rb"^[ \t]*BEGIN IONS", re.M | re.I)),
    ("massbank", re.compile(rb"^PK\$(?:NUM_PEAK|PEAK|SPLASH):", re.M)),
    ("msp", re.compile(rb"^[ \t]*num[ _]?peaks[ \t]*:", re.M | re.I)),
    ("massbank", re.compile(rb"^ACCESSION:[ \t]", re.M)),  # the head can end before the peaks
    ("sirius", re.compile(rb"^>(?:compound|parentmass)[ \t]", re.M | re.I)),
    ("json", re.compile(rb"\A\s*[\[{]")),
)


def detect(head: bytes, where: str) -> str:
    """The format of a document. Raises UnreadableFile, with what the document is, for anything else."""
    head = head.removeprefix(b"\xef\xbb\xbf").rstrip(b"\0")  # unfinished copies end with NUL bytes
    if not head.strip():
        raise UnreadableFile("The file is empty", where, "Check that the export or upload finished.")
    for magic, name, remedy in _MAGIC:
        if head.startswith(magic):
            raise UnreadableFile(f"The file is {name}, not a spectrum file", where, remedy)
    if head[257:262] == b"ustar":
        raise UnreadableFile(
            "The file is a tar archive inside another archive", where, "Upload the inner tar archive."
        )
    if b"\x00" in head:
        raise UnreadableFile("The file is binary and of an unknown format", where, _SUPPORTED)
    for pattern, name, remedy in _REFUSED:
        if pattern.search(head):
            raise UnreadableFile(f"The file is {name}, not a spectrum file", where, remedy)
    for name, pattern in _RECOGNISED:
        if pattern.search(head):
            return name
    raise UnreadableFile(f"The file is {_describe(head)}, not a spectrum file", where, _SUPPORTED)


def _describe(head: bytes) -> str:
    if head.lstrip().startswith(b"<"):
        return "XML of an unknown format"
    lines = [line for line in head.splitlines()[:20] if line.strip()]
    for separator, name in ((b"\t", "a tab-separated table"), (b",", "a comma-separated table")):
        if len(lines) > 1 and all(separator in line for line in lines):
            return name
    return "text of an unknown format"
