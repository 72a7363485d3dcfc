"""Reads JSON: {"spectra": [{"precursor_mz", "adduct", "peaks": [[mz, intensity]], …}]} or only the list.

Also the JSON of MoNA, see `mona`.
One record at a time is held in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from models_ml.json_stream import BrokenJson, JsonStream, RepeatedNames
from models_ml.spectra.formats.items import Fault, RawRecord
from models_ml.spectra.formats.mona import flat_record, is_mona
from models_ml.spectra.formats.peak_text import check_count, put_field
from models_ml.spectra.formats.source import Source
from models_ml.unreadable import UnreadableFile

_PEAKS = ("peaks", "peaks_json")  # "peaks_json" in GNPS, as a string, and in matchms
_SHAPE = 'Write {"spectra": [{"precursor_mz": 181.07, "adduct": "[M+H]+", "peaks": [[59.01, 120.0]]}]}.'


def read_json(source: Source) -> Iterator[RawRecord]:
    document = JsonStream(source.stream, max_value_characters=source.limits.max_json_record)
    try:
        if document.peek() == "{":
            yield from _records_of_object(document, source)
        else:
            yield from _records(document, source, "$")
        document.end()
    except BrokenJson as error:
        where = source.at(f"line {error.line}" if error.line else "whole document")
        raise UnreadableFile(f"The JSON document cannot be parsed: {error.what}", where,
                             "Correct it; a JSON validator shows the position.") from None  # fmt: skip


def _records_of_object(document: JsonStream, source: Source) -> Iterator[RawRecord]:
    found = False
    for name in document.names():
        if name != "spectra":
            document.value()
            continue
        if found:
            raise UnreadableFile('The JSON document has two lists "spectra"', source.at("$"),
                                 "Join them to one list.")  # fmt: skip
        if document.peek() != "[":
            break
        found = True
        yield from _records(document, source, "$.spectra")
    if not found:
        raise UnreadableFile('The JSON document has no list "spectra"', source.at("$"), _SHAPE)


def _records(document: JsonStream, source: Source, path: str) -> Iterator[RawRecord]:
    for index, row in enumerate(document.elements()):
        yield _record(row, source.at(f"{path}[{index}]"), source)


def _record(row: Any, position: str, source: Source) -> RawRecord:
    record = RawRecord(position)
    if not isinstance(row, dict):
        record.fault = Fault("bad_record", "The record is not a JSON object.", _SHAPE)
        return record
    if isinstance(row, RepeatedNames):
        reason = "The record has a name twice, so one of the two values would be lost."
        record.fault = Fault("bad_record", reason, "Write each name once.")
        return record
    if is_mona(row):
        try:
            row = flat_record(row)
        except (TypeError, ValueError, LookupError, AttributeError):
            record.fault = Fault(
                "bad_record", "The record is not written as MoNA writes its records.", _SHAPE
            )
            return record
    for name, value in row.items():
        if name not in _PEAKS and name not in ("mz", "intensity"):
            text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
            put_field(record, str(name), text, source.limits)
    try:
        record.mz, record.intensity = _peaks(row)
        if _states_other_peaks(row, record):
            reason = "The record has two lists of peaks that differ, so it is unknown which was measured."
            record.fault = Fault("several_peak_lists", reason, 'Keep "peaks", or "mz" and "intensity".')
    except (TypeError, ValueError, LookupError, OverflowError):
        record.fault = Fault(
            "bad_peak", "The peaks are not a list of [m/z, intensity] pairs of numbers.", _SHAPE
        )
    for name in ("num_peaks", "n_peaks", "peaks_count"):
        check_count(record, record.fields.get(name, ""), name)
    return record


def _states_other_peaks(row: dict[str, Any], record: RawRecord) -> bool:
    """Whether the record has its peaks twice, and not the same. Raises as `_peaks` does."""
    stated = [name for name in _PEAKS if row.get(name) is not None]
    others = [{name: row[name]} for name in stated[1:]]
    if stated and row.get("mz") is not None and row.get("intensity") is not None:
        others.append({"mz": row["mz"], "intensity": row["intensity"]})
    return any(_peaks(other) != (record.mz, record.intensity) for other in others)


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
