"""Reads SIRIUS files (.ms): ">compound" blocks with ">ms2" or ">collision" sections of peaks."""

from __future__ import annotations

from collections.abc import Iterator

from models_ml.spectra.formats.items import Fault, RawRecord
from models_ml.spectra.formats.peak_text import (
    TOO_MUCH_SHARED,
    PeakLines,
    is_too_much_to_share,
    put_field,
    put_peak_line,
    put_peaks,
)
from models_ml.spectra.formats.source import Source
from models_ml.text_lines import decode

# Our names of the fields of a compound; others keep their name.
_NAMES = {
    "compound": "NAME",
    "parentmass": "PRECURSOR_MZ",
    "ionization": "ADDUCT",
    "ion": "ADDUCT",
    "rt": "RT",
}
_MS1_SECTIONS = ("ms1", "ms1peaks", "ms1merged")
_MS2_SECTIONS = ("ms2", "ms2peaks", "ms2merged", "collision")


def read_sirius_ms(source: Source) -> Iterator[RawRecord]:
    compound: dict[str, str] = {}
    too_much = False  # to be copied to each spectrum of the compound
    section = ""
    record: RawRecord | None = None
    peaks: PeakLines = []
    for number, line in source.lines():
        if not line or line.startswith(b"#"):
            continue
        if not line.startswith(b">"):
            if record is None and line[0] in b"0123456789":
                record = RawRecord(source.at(f"line {number}"))
                reason = f"The peaks are in a section >{section[:40]} that is unknown."
                record.fault = Fault("unknown_section", reason, "Name it >ms1, >ms2 or >collision.")
            if record is not None:
                put_peak_line(peaks, number, line, source.limits)
            continue
        word, _, value = decode(line[1:]).strip().partition(" ")
        name, value = word.lower(), value.strip()
        section = name
        if record is not None:
            put_peaks(record, peaks)
            yield record
            record, peaks = None, []
        if name == "compound":
            # Its spectra are one feature.
            compound, too_much = {"BLOCK": f"line {number}"}, False
        if name in _MS1_SECTIONS + _MS2_SECTIONS:
            record = RawRecord(source.at(f"line {number}"), time_unit_s=1.0)
            if too_much:
                record.fault = TOO_MUCH_SHARED
            else:
                record.fields = dict(compound)
            put_field(record, "MS_LEVEL", "1" if name in _MS1_SECTIONS else "2", source.limits)
            if name == "collision" and value:
                put_field(record, "COLLISION_ENERGY", value, source.limits)
        elif not too_much:
            field = _NAMES.get(name, name)
            compound[field] = f"{compound[field]}\n{value}" if field in compound else value
            too_much = is_too_much_to_share(compound)
    if record is not None:
        put_peaks(record, peaks)
        yield record
