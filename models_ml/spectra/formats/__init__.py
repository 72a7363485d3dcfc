"""Readers of spectrum files, each format detected by content and streamed."""

from models_ml.spectra.formats.items import (
    WHOLE_FILE,
    ReadLimits,
    SpectrumIssue,
    UnreadableFile,
)
from models_ml.spectra.formats.read import detect_format, read_spectra
from models_ml.spectra.formats.tally import ReadReport, Tally

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
