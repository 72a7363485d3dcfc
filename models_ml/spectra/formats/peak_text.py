"""Peaks written as text, one or several to a line: the part that MGF, MSP and MassBank share."""

from __future__ import annotations

from models_ml.spectra.formats.items import Fault, RawRecord, ReadLimits
from models_ml.spectra.formats.source import decode


def put_peaks(record: RawRecord, lines: list[tuple[int, bytes]]) -> None:
    """Read "mz intensity [anything]" lines into the record; the first bad line becomes its fault."""
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
        record.fault = bad_peak_line(*lines[len(intensity)])
    record.mz, record.intensity = mz, intensity


def bad_peak_line(number: int, line: bytes) -> Fault:
    return Fault(
        "bad_peak",
        f"Line {number} should hold an m/z and an intensity but reads {decode(line[:60])!r}.",
        "Write two numbers with a decimal point, parted by a space or a tab.",
    )


def put_field(record: RawRecord, name: str, value: str, limits: ReadLimits) -> None:
    """Keep a field; a name that comes again is joined on a new line. Refuses the record beyond the limits."""
    if len(record.fields) >= limits.max_fields_per_spectrum or len(value) > limits.max_field_length:
        record.fault = Fault(
            "too_much_metadata",
            f"It has more than {limits.max_fields_per_spectrum} fields, or one longer than "
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
    """Say where a record announces another number of peaks than it holds; those it holds are used."""
    count = len(record.mz)
    if record.fault or not count or not announced.isdigit() or int(announced) == count:
        return
    record.repairs.append(
        Fault("peak_count", f"{name} says {announced}, but {count} peaks stand there; those are used.",
              "Check that the record is complete.")
    )  # fmt: skip
