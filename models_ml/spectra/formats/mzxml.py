"""Reads the MS2 scans of mzXML, the predecessor of mzML. Scans can be nested or flat."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from models_ml.spectra.formats.binary_arrays import (
    MAX_WIDTH,
    BadArray,
    check_length,
    decode_base64,
    inflate,
    to_numbers,
    undecodable,
)
from models_ml.spectra.formats.items import RawRecord, ReadLimits, SpectrumIssue
from models_ml.spectra.formats.peak_text import put_field
from models_ml.spectra.formats.source import Source
from models_ml.spectra.formats.survey_scan import SurveyMemory, SurveyScan
from models_ml.spectra.formats.xml_stream import Element, local_name, stream_elements
from models_ml.spectra.spectrum import FloatArray

_DTYPES = {"32": ">f4", "64": ">f8"}
_DURATION = re.compile(r"^P?T?(?:(\d+(?:\.\d*)?)H)?(?:(\d+(?:\.\d*)?)M)?(?:(\d+(?:\.\d*)?)S)?$")
_IS_PROFILE = {"0": True, "false": True, "1": False, "true": False}
_NOT_PRODUCT = frozenset({"SRM", "MRM", "SIM", "CNL", "PRECURSOR", "CALIBRATION"})
_POLARITY = {"+": "positive", "-": "negative"}


def read_mzxml(source: Source) -> Iterator[RawRecord | SpectrumIssue]:
    instrument = ""
    memory = SurveyMemory()
    profile: bool | None = None
    for element in stream_elements(
        source, ("mzXML", "msRun"), ("scan", "msModel", "dataProcessing", "offset")
    ):
        if isinstance(element, SpectrumIssue):
            yield element
        elif local_name(element) == "msModel":
            instrument = element.get("value", "")
        elif local_name(element) == "dataProcessing":
            # Later steps process the result of earlier ones, and no step makes a profile of centroids.
            stated = _IS_PROFILE.get(element.get("centroided", ""))
            profile = stated if profile is None or stated is False else profile
        elif local_name(element) == "scan":
            yield _read_scan(element, instrument, profile, source, memory)


def _read_scan(
    element: Element, instrument: str, profile: bool | None, source: Source, memory: SurveyMemory
) -> RawRecord:
    """One scan. `profile` is what the file states about all scans; what the scan states itself wins."""
    record = RawRecord(source.at(f"scan {element.get('num', '?')[:40]}"))
    limits = source.limits
    for name, value in element.attrib.items():
        put_field(record, str(name), str(value), limits)
    fields = {
        "SPECTRUM_ID": f"scan={element.get('num', '')}",
        "MS_LEVEL": element.get("msLevel", ""),
        "POLARITY": _POLARITY.get(element.get("polarity", ""), ""),
        "RETENTION_TIME_S": _seconds(element.get("retentionTime", "")),
        "COLLISION_ENERGY": element.get("collisionEnergy", ""),
        "INSTRUMENT": instrument,
        "TITLE": f"scan={element.get('num', '')}",
    }
    record.fields = {**record.fields, **fields}
    time_text = fields["RETENTION_TIME_S"]
    time_s = float(time_text) if time_text else None
    if fields["MS_LEVEL"] == "1":
        memory.keep(fields["POLARITY"], SurveyScan(record.position, time_s, _ms1_decoder(element, source)))
    if fields["MS_LEVEL"] not in ("", "2"):
        return record
    record.survey_scan = memory.before(fields["POLARITY"], time_s)
    if element.get("scanType", "").upper() in _NOT_PRODUCT:
        record.not_ms2 = f"The scan type is {element.get('scanType')}, so this is not a product ion scan."
    record.profile = _IS_PROFILE.get(element.get("centroided", ""), profile)
    for precursor in [child for child in element if local_name(child) == "precursorMz"]:
        text = (precursor.text or "").strip()
        put_field(record, "PRECURSOR_MZ", text, limits)  # several values are refused later
        put_field(record, "CHARGE", precursor.get("precursorCharge", ""), limits)
        _put_window(record, text, precursor.get("windowWideness", ""), limits)
    try:
        record.mz, record.intensity = _decode(_encoded(element), limits.max_peaks_per_spectrum)
    except BadArray as error:
        record.fault = undecodable(error)
    return record


def _put_window(record: RawRecord, centre: str, width: str, limits: ReadLimits) -> None:
    try:
        middle, half = float(centre), float(width) / 2
    except ValueError:
        return
    if half > 0 and "ISOLATION_WINDOW_LOWER" not in record.fields:
        put_field(record, "ISOLATION_WINDOW_LOWER", f"{middle - half:.10g}", limits)
        put_field(record, "ISOLATION_WINDOW_UPPER", f"{middle + half:.10g}", limits)


class _Encoded(NamedTuple):
    """The peaks of a scan before they are decoded. Holds no XML, which is freed after each scan."""

    stated_count: str
    n_parts: int
    attributes: dict[str, str]
    text: str


def _encoded(element: Element) -> _Encoded:
    parts = [child for child in element if local_name(child) == "peaks"]
    attributes = {str(name): str(value) for name, value in parts[0].attrib.items()} if parts else {}
    text = (parts[0].text or "") if parts else ""
    return _Encoded(element.get("peaksCount", ""), len(parts), attributes, text)


def _ms1_decoder(element: Element, source: Source) -> Callable[[], tuple[FloatArray, FloatArray]]:
    encoded, max_points = _encoded(element), source.limits.max_ms1_points
    return lambda: _decode(encoded, max_points)


def _decode(peaks: _Encoded, max_peaks: int) -> tuple[FloatArray, FloatArray]:
    if not peaks.stated_count.isdigit() or peaks.n_parts != 1:
        raise BadArray("the scan has no peak count, or not exactly one list of peaks")
    length = int(peaks.stated_count)
    check_length(length, max_peaks)
    get = peaks.attributes.get
    pairs = get("contentType") or get("pairOrder") or "m/z-int"
    if pairs != "m/z-int" or get("byteOrder", "network") != "network":
        raise BadArray(f"the peaks are stored as {pairs[:40]!r} in {get('byteOrder', '?')[:40]!r} byte order")
    if length == 0:
        return np.zeros(0), np.zeros(0)
    data = decode_base64(peaks.text)
    compression = get("compressionType") or "none"
    if compression == "zlib":
        data = inflate(data, 2 * MAX_WIDTH * length)
    elif compression != "none":
        raise BadArray(f"the compression ({compression[:40]}) is not supported")
    dtype = _DTYPES.get(get("precision", "32"))
    if dtype is None:
        raise BadArray("the precision is neither 32 nor 64 bits")
    numbers = to_numbers(data, dtype)
    if numbers.size != 2 * length:
        raise BadArray(f"{length} peaks are announced, but the array holds {numbers.size / 2:g}")
    return numbers[0::2].copy(), numbers[1::2].copy()


def _seconds(text: str) -> str:
    found = _DURATION.match(text)
    if not text or not found:
        return ""
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return repr(3600 * hours + 60 * minutes + seconds)
