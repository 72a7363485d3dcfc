"""Readers of spectrum files. The format is detected by content, and the spectra are streamed."""

from models_ml.spectra.formats.items import WHOLE_FILE, ReadLimits, SpectrumIssue
from models_ml.spectra.formats.read import detect_format, read_spectra
from models_ml.spectra.formats.tally import ReadReport, Tally
from models_ml.unreadable import UnreadableFile

__all__ = [
    "WHOLE_FILE",
    "ReadLimits",
    "ReadReport",
    "SpectrumIssue",
    "Tally",
    "UnreadableFile",
    "detect_format",
    "read_spectra",
]
