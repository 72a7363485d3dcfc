"""Reads the MS2 scans of mzML. No array is decoded beyond its announced length."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np

from models_ml.spectra.formats.binary_arrays import (
    MAX_WIDTH,
    NUMPRESS,
    BadArray,
    check_length,
    decode_base64,
    from_numpress,
    inflate,
    to_numbers,
    undecodable,
)
from models_ml.spectra.formats.items import Fault, RawRecord, ReadLimits, SpectrumIssue
from models_ml.spectra.formats.peak_text import put_field
from models_ml.spectra.formats.source import Source
from models_ml.spectra.formats.survey_scan import SurveyMemory, SurveyScan
from models_ml.spectra.formats.xml_stream import Element, local_name, stream_elements
from models_ml.spectra.spectrum import FloatArray
from models_ml.unreadable import UnreadableFile

# Accessions of the PSI-MS vocabulary.
_LEVEL, _MS1, _TITLE = "MS:1000511", "MS:1000579", "MS:1000796"
# Scans whose m/z axis does not hold all product ions of one precursor.
_NOT_PRODUCT = {
    "MS:1000341": "a precursor ion scan", "MS:1000325": "a constant neutral gain scan",
    "MS:1000326": "a constant neutral loss scan", "MS:1000582": "a SIM scan", "MS:1000583": "an SRM scan",
    "MS:1000581": "a CRM scan",
}  # fmt: skip
_NOT_MASS = {"MS:1000804", "MS:1000805", "MS:1000806"}  # electromagnetic spectra
_POLARITY = {"MS:1000130": "positive", "MS:1000129": "negative"}
_START_TIME, _ENERGY, _SERIAL = "MS:1000016", "MS:1000045", "MS:1000529"
_ION_MZ, _OLD_ION_MZ, _CHARGE, _TARGET = "MS:1000744", "MS:1000040", "MS:1000041", "MS:1000827"
_LOWER_OFFSET, _UPPER_OFFSET = "MS:1000828", "MS:1000829"
_LOWER_LIMIT, _UPPER_LIMIT = "MS:1000794", "MS:1000793"  # obsolete, as m/z
_CENTROID, _PROFILE = "MS:1000127", "MS:1000128"
_MZ_ARRAY, _INTENSITY_ARRAY = "MS:1000514", "MS:1000515"
_WIDTHS = {"MS:1000523": "<f8", "MS:1000521": "<f4", "MS:1000522": "<i8", "MS:1000519": "<i4"}
_ZLIB, _PLAIN = "MS:1000574", "MS:1000576"
_NUMPRESS = {
    "MS:1002312": "linear", "MS:1002313": "pic", "MS:1002314": "slof",
    "MS:1002746": "linear", "MS:1002747": "pic", "MS:1002748": "slof",
}  # fmt: skip
_NUMPRESS_ZLIB = {"MS:1002746", "MS:1002747", "MS:1002748"}
_UNIT_SECONDS = {
    "UO:0000010": 1.0,
    "UO:0000031": 60.0,
    "UO:0000028": 0.001,
    "MS:1000038": 60.0,
    "MS:1000039": 1.0,
}
_ELECTRONVOLT = "UO:0000266"
# Each reference copies a group, so a small file with large groups would take minutes.
_MAX_SHARED_TERMS = 100
_SCAN_NUMBER = re.compile(r"\bscan=(\d+)")


class _Term(NamedTuple):
    accession: str
    name: str
    value: str
    unit: str
    unit_name: str


_Groups = dict[str, list[_Term]]


def read_mzml(source: Source) -> Iterator[RawRecord | SpectrumIssue]:
    groups: _Groups = {}
    instruments: set[str] = set()
    memory = SurveyMemory()
    wanted = ("spectrum", "chromatogram", "referenceableParamGroup", "instrumentConfiguration", "offset")
    for element in stream_elements(source, ("mzML", "indexedmzML"), wanted):
        if isinstance(element, SpectrumIssue):
            yield element
            continue
        name = local_name(element)
        if name == "spectrum":
            yield _read_spectrum(element, groups, instruments, source, memory)
        elif name == "referenceableParamGroup":
            terms = list(islice(_terms(element, {}), _MAX_SHARED_TERMS + 1))
            if len(terms) > _MAX_SHARED_TERMS:
                raise UnreadableFile(
                    f"A group of parameters has more than {_MAX_SHARED_TERMS} terms",
                    source.at("referenceableParamGroup"),
                    "Convert the original file again, for example with ProteoWizard msConvert.",
                )
            groups[element.get("id", "")] = terms
        elif name == "instrumentConfiguration":
            model = next((term.name for term in _terms(element, groups) if term.accession != _SERIAL), "")
            instruments.add(model)


def _terms(element: Element, groups: _Groups) -> Iterator[_Term]:
    for child in element:
        name = local_name(child)
        if name == "cvParam" or name == "userParam":
            get = child.get
            yield _Term(
                get("accession", ""),
                get("name", ""),
                get("value", ""),
                get("unitAccession", ""),
                get("unitName", ""),
            )
        elif name == "referenceableParamGroupRef":
            yield from groups.get(child.get("ref", ""), ())


def _children(element: Element, *path: str) -> list[Element]:
    found = [element]
    for name in path:
        found = [child for parent in found for child in parent if local_name(child) == name]
    return found


def _read_spectrum(
    element: Element, groups: _Groups, instruments: set[str], source: Source, memory: SurveyMemory
) -> RawRecord:
    native_id = element.get("id", "")
    scan = _SCAN_NUMBER.search(native_id)
    position = f"scan {scan[1]}" if scan else f"spectrum {native_id[:100] or element.get('index', '?')}"
    record = RawRecord(source.at(position))
    limits = source.limits
    put_field(record, "SPECTRUM_ID", native_id, limits)
    is_ms1 = False
    for term in _terms(element, groups):
        if term.accession == _LEVEL:
            put_field(record, "MS_LEVEL", term.value, limits)
        elif term.accession in _POLARITY:
            put_field(record, "POLARITY", _POLARITY[term.accession], limits)
        elif term.accession == _TITLE:
            put_field(record, "TITLE", term.value, limits)
        elif term.accession in _NOT_MASS:
            record.not_ms2 = f"The scan is not a mass spectrum but an {term.name}."
        else:
            if term.accession in _NOT_PRODUCT:
                record.not_ms2 = f"The scan is {_NOT_PRODUCT[term.accession]}, not a product ion scan."
            if term.accession in (_CENTROID, _PROFILE):
                record.profile = term.accession == _PROFILE
            is_ms1 = is_ms1 or term.accession == _MS1
            _keep(record, term, limits)
    record.fields.setdefault("TITLE", native_id)
    if is_ms1:
        record.fields.setdefault("MS_LEVEL", "1")
    polarity = record.fields.get("POLARITY", "")
    if record.fields.get("MS_LEVEL") == "1" and not record.not_ms2:
        scan_time = _start_time(_scan_terms(element, groups))
        memory.keep(polarity, SurveyScan(record.position, scan_time, _ms1_decoder(element, groups, limits)))
    if record.fields.get("MS_LEVEL", "2") != "2" or record.not_ms2:
        return record  # it is skipped, so its arrays are decoded only if an MS2 scan needs them
    if len(instruments) == 1:
        (instrument,) = instruments
        put_field(record, "INSTRUMENT", instrument, limits)
    start_time = _put_scan(record, element, groups, limits)
    record.survey_scan = memory.before(polarity, start_time)
    _put_precursor(record, element, groups, limits)
    try:
        record.mz, record.intensity = _decode_arrays(
            _encoded_arrays(element, groups), limits.max_peaks_per_spectrum
        )
    except BadArray as error:
        record.fault = undecodable(error)
    return record


def _keep(record: RawRecord, term: _Term, limits: ReadLimits) -> None:
    value = f"{term.value} {term.unit_name}".strip() if term.unit_name else term.value
    put_field(record, term.name, value or "yes", limits)


def _scan_terms(element: Element, groups: _Groups) -> list[_Term]:
    return [term for scan in _children(element, "scanList", "scan")[:1] for term in _terms(scan, groups)]


def _start_time(terms: list[_Term]) -> float | None:
    """In seconds. None without a number or a unit."""
    times = [
        seconds * _UNIT_SECONDS[term.unit]
        for term in terms
        if term.accession == _START_TIME and term.unit in _UNIT_SECONDS
        and (seconds := _number(term.value)) is not None
    ]  # fmt: skip
    return times[0] if times else None


def _put_scan(record: RawRecord, element: Element, groups: _Groups, limits: ReadLimits) -> float | None:
    """Keep the terms of the scan. Returns its start time in seconds."""
    terms = _scan_terms(element, groups)
    seconds = _start_time(terms)
    if seconds is not None:
        put_field(record, "RETENTION_TIME_S", repr(seconds), limits)
    for term in terms:
        if term.accession != _START_TIME or term.unit not in _UNIT_SECONDS:
            _keep(record, term, limits)
    return seconds


def _put_precursor(record: RawRecord, element: Element, groups: _Groups, limits: ReadLimits) -> None:
    precursors = _children(element, "precursorList", "precursor") or _children(element, "precursor")
    if not precursors:
        return
    ions = [
        {term.accession: term for term in _terms(ion, groups)}
        for precursor in precursors
        for ion in _children(precursor, "selectedIonList", "selectedIon")
    ]
    ion_terms = ions[0] if ions else {}
    window = {
        term.accession: term
        for part in _children(precursors[0], "isolationWindow")
        for term in _terms(part, groups)
    }
    _put_window(record, window, limits)
    target = window.get(_TARGET)
    for selected in (terms.get(_ION_MZ) or terms.get(_OLD_ION_MZ) for terms in ions):
        if selected and selected.value and _number(selected.value) != 0:
            put_field(record, "PRECURSOR_MZ", selected.value, limits)  # several values are refused later
    if "PRECURSOR_MZ" not in record.fields and target and (_number(target.value) or 0) > 0:
        for other in precursors:  # several targets are refused later
            for term in (t for part in _children(other, "isolationWindow") for t in _terms(part, groups)):
                if term.accession == _TARGET:
                    put_field(record, "PRECURSOR_MZ", term.value, limits)
        reason = f"The scan has no selected ion m/z; the isolation target {target.value} is used."
        remedy = "Check that the isolation target is the m/z of the precursor."
        record.repairs.append(Fault("isolation_target", reason, remedy))
    if _CHARGE in ion_terms:
        put_field(record, "CHARGE", ion_terms[_CHARGE].value, limits)
    for activation in _children(precursors[0], "activation")[:1]:
        for term in _terms(activation, groups):
            if term.accession == _ENERGY:
                unit = " eV" if term.unit == _ELECTRONVOLT else f" {term.unit_name}".rstrip()
                put_field(record, "COLLISION_ENERGY", term.value + unit, limits)
            else:
                _keep(record, term, limits)


def _put_window(record: RawRecord, window: dict[str, _Term], limits: ReadLimits) -> None:
    """Keep the isolation window as m/z. A width of 0 means that it is not stated."""

    def value(accession: str) -> float | None:
        return _number(window[accession].value) if accession in window else None

    target = value(_TARGET)
    lower, upper = value(_LOWER_LIMIT), value(_UPPER_LIMIT)
    below, above = value(_LOWER_OFFSET), value(_UPPER_OFFSET)
    if target is not None and below is not None and above is not None:
        lower, upper = target - abs(below), target + abs(above)
    if target:
        put_field(record, "ISOLATION_TARGET_MZ", window[_TARGET].value, limits)
    if lower is not None and upper is not None and lower < upper:
        put_field(record, "ISOLATION_WINDOW_LOWER", f"{lower:.10g}", limits)
        put_field(record, "ISOLATION_WINDOW_UPPER", f"{upper:.10g}", limits)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


class _EncodedArray(NamedTuple):
    """An array before it is decoded. Holds no XML, which is freed after each spectrum."""

    terms: dict[str, _Term]
    length: str  # as announced
    text: str


def _encoded_arrays(element: Element, groups: _Groups) -> dict[str, _EncodedArray]:
    """The arrays of m/z and intensities, by accession."""
    default_length = element.get("defaultArrayLength", "")
    arrays: dict[str, _EncodedArray] = {}
    for part in _children(element, "binaryDataArrayList", "binaryDataArray"):
        terms = {term.accession: term for term in _terms(part, groups)}
        kind = next((accession for accession in (_MZ_ARRAY, _INTENSITY_ARRAY) if accession in terms), None)
        if kind is None:
            continue
        if kind in arrays:
            raise BadArray("the spectrum has two arrays of the same kind")
        text = "".join(binary.text or "" for binary in _children(part, "binary"))
        arrays[kind] = _EncodedArray(terms, part.get("arrayLength", default_length), text)
    return arrays


def _ms1_decoder(
    element: Element, groups: _Groups, limits: ReadLimits
) -> Callable[[], tuple[FloatArray, FloatArray]]:
    """Decodes the arrays later, if an MS2 scan needs them. A fault of the arrays is raised only then."""
    try:
        encoded = _encoded_arrays(element, groups)
    except BadArray as error:
        fault = error

        def refuse() -> tuple[FloatArray, FloatArray]:
            raise fault

        return refuse
    return lambda: _decode_arrays(encoded, limits.max_ms1_points)


def _decode_arrays(encoded: dict[str, _EncodedArray], max_peaks: int) -> tuple[FloatArray, FloatArray]:
    """m/z and intensities; an array that the scan does not have is empty."""
    arrays: dict[str, FloatArray] = {}
    for kind, array in encoded.items():
        if not array.length.isdigit():
            raise BadArray("the array length is missing")
        check_length(int(array.length), max_peaks)
        arrays[kind] = _decode(array.text, array.terms, int(array.length))
    nothing = np.zeros(0)
    return arrays.get(_MZ_ARRAY, nothing), arrays.get(_INTENSITY_ARRAY, nothing)


def _decode(text: str, terms: dict[str, _Term], length: int) -> FloatArray:
    if length == 0 and not text.strip():
        return to_numbers(b"", "<f8")
    packing = next((name for accession, name in _NUMPRESS.items() if accession in terms), None)
    unknown = [
        term.name for accession, term in terms.items()
        if "compress" in term.name.lower() and accession not in (_ZLIB, _PLAIN) and accession not in _NUMPRESS
    ]  # fmt: skip
    if unknown:
        raise BadArray(f"the compression ({unknown[0][:80]}) is not supported")
    data = decode_base64(text)
    if _ZLIB in terms or _NUMPRESS_ZLIB & terms.keys():
        # MS-Numpress needs at most five bytes for each value, besides its header, so the bound is valid for
        # it too.
        data = inflate(data, MAX_WIDTH * length + 64)
    if packing:
        numbers = from_numpress(data, NUMPRESS[packing])
    else:
        dtype = next((dtype for accession, dtype in _WIDTHS.items() if accession in terms), None)
        if dtype is None:
            raise BadArray("the number type is missing")
        numbers = to_numbers(data, dtype)
    if numbers.size != length:
        raise BadArray(f"{length} values are announced, but the array holds {numbers.size}")
    return numbers
