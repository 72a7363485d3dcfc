"""Peaks and fields of text formats: the part that MGF, MSP and MassBank share."""

from __future__ import annotations

from models_ml.spectra.formats.items import Fault, RawRecord, ReadLimits
from models_ml.text_lines import decode

PeakLines = list[tuple[int, bytes]]  # line number, "mz intensity [anything]"


def put_peak_line(peaks: PeakLines, number: int, line: bytes, limits: ReadLimits) -> None:
    """Keep a line of peaks, up to one more than the limit: that is enough to reject the spectrum."""
    if len(peaks) <= limits.max_peaks_per_spectrum:
        peaks.append((number, line))


def put_peaks(record: RawRecord, lines: PeakLines) -> None:
    """Read the peaks into the record. The first bad line becomes its fault."""
    if record.fault:
        return
    mz: list[float] = []
    intensity: list[float] = []
    try:
        for _, line in lines:
            parts = line.split(None, 2)
            mz.append(float(parts[0]))
            intensity.append(float(parts[1]))
    except (ValueError, IndexError):
        record.fault = _bad_peak_line(*lines[len(intensity)])
    record.mz, record.intensity = mz, intensity


def _bad_peak_line(number: int, line: bytes) -> Fault:
    return Fault(
        "bad_peak",
        f"Line {number} must hold an m/z and an intensity, but it is {decode(line[:60])!r}.",
        "Write two numbers with decimal points, separated by a blank or a tab.",
    )


def unfinished(reason: str) -> Fault:
    """The fault of a record without its end."""
    return Fault("unfinished_record", reason, "Copy or export the file again: this copy may be cut off.")


def put_field(record: RawRecord, name: str, value: str, limits: ReadLimits) -> None:
    """Keep a field. A repeated name adds a line to its value. Beyond the limits the record gets a fault."""
    if len(record.fields) >= limits.max_fields_per_spectrum or len(value) > limits.max_field_length:
        record.fault = Fault(
            "too_much_metadata",
            f"The record has more than {limits.max_fields_per_spectrum} fields, or a field longer than "
            f"{limits.max_field_length:,} characters.",
            "Export it without the extra fields.",
        )
        return
    earlier = record.fields.get(name)
    if earlier is None:
        record.fields[name] = value
    elif len(earlier) + len(value) <= limits.max_field_length:
        record.fields[name] = f"{earlier}\n{value}"


def check_count(record: RawRecord, announced: str, name: str) -> None:
    """Note a repair if a record announces another number of peaks than it has. Its peaks are used."""
    count = len(record.mz)
    if record.fault or not count or not announced.isdigit() or int(announced) == count:
        return
    record.repairs.append(
        Fault(
            "peak_count",
            f"{name} is {announced}, but the record has {count} peaks; these are used.",
            "Check that the record is complete.",
        )
    )
