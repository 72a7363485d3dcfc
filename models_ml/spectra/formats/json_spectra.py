"""Reads JSON: {"spectra": [{"precursor_mz", "adduct", "peaks": [[mz, intensity]], …}]} or only the list.

The whole document is held in memory, so its size has a separate limit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from models_ml.spectra.formats.items import Fault, RawRecord
from models_ml.spectra.formats.peak_text import check_count, put_field
from models_ml.spectra.formats.source import Source
from models_ml.unreadable import UnreadableFile

_PEAKS = ("peaks", "peaks_json")  # "peaks_json" in GNPS, as a string, and in matchms
_SHAPE = 'Write {"spectra": [{"precursor_mz": 181.07, "adduct": "[M+H]+", "peaks": [[59.01, 120.0]]}]}.'


def read_json(source: Source) -> Iterator[RawRecord]:
    limit = source.limits.max_json_bytes
    data = source.stream.read(limit + 1)
    if len(data) > limit:
        raise UnreadableFile(f"The JSON document is larger than {limit:,} bytes", source.at("whole document"),
                             "Split it, or write the spectra as MGF.")  # fmt: skip
    try:
        document = json.loads(data.rstrip(b"\0").decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UnreadableFile("The JSON document is not UTF-8", source.at(f"byte {error.start}"),
                             "Save it as UTF-8.") from None  # fmt: skip
    except json.JSONDecodeError as error:
        where = source.at(f"line {error.lineno}")
        raise UnreadableFile(f"The JSON document cannot be parsed: {error.msg}", where,
                             "Correct it; a JSON validator shows the position.") from None  # fmt: skip
    except (RecursionError, ValueError):
        raise UnreadableFile("The JSON document is nested too deeply or has a number with too many digits",
                             source.at("whole document"), _SHAPE) from None  # fmt: skip
    rows = document.get("spectra") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise UnreadableFile('The JSON document has no list "spectra"', source.at("$"), _SHAPE)
    for index, row in enumerate(rows):
        yield _record(
            row, source.at(f"$.spectra[{index}]" if isinstance(document, dict) else f"$[{index}]"), source
        )


def _record(row: Any, position: str, source: Source) -> RawRecord:
    record = RawRecord(position)
    if not isinstance(row, dict):
        record.fault = Fault("bad_record", "The record is not a JSON object.", _SHAPE)
        return record
    for name, value in row.items():
        if name not in _PEAKS and name not in ("mz", "intensity"):
            text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
            put_field(record, str(name), text, source.limits)
    try:
        record.mz, record.intensity = _peaks(row)
    except (TypeError, ValueError, LookupError, OverflowError):
        record.fault = Fault(
            "bad_peak", "The peaks are not a list of [m/z, intensity] pairs of numbers.", _SHAPE
        )
    for name in ("num_peaks", "n_peaks", "peaks_count"):
        check_count(record, record.fields.get(name, ""), name)
    return record


def _peaks(row: dict[str, Any]) -> tuple[list[float], list[float]]:
    peaks: Any = next((row[name] for name in _PEAKS if row.get(name) is not None), None)
    if peaks is None:
        return _numbers(row["mz"]), _numbers(row["intensity"])
    if isinstance(peaks, str):
        try:
            peaks = json.loads(peaks)
        except RecursionError:
            raise ValueError("nested too deeply") from None
    pairs = [
        (pair["mz"], pair["intensity"]) if isinstance(pair, dict) else (pair[0], pair[1]) for pair in peaks
    ]
    return _numbers([mz for mz, _ in pairs]), _numbers([intensity for _, intensity in pairs])


def _numbers(values: list[Any]) -> list[float]:
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        raise TypeError("a peak needs numbers")
    return [float(value) for value in values]
