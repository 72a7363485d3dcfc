"""Interprets the fields of a record, the same for all formats: aliases, units, signs, errors.

Never guesses: what the file does not state stays None, and contradictions become issues.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models_ml.spectra.formats.centroid import add_up_repeats, to_centroids
from models_ml.spectra.formats.claimed_structure import Claims, read_claims
from models_ml.spectra.formats.feature_label import feature_label
from models_ml.spectra.formats.field_names import (
    EXTERNAL_ID,
    LEVEL,
    SAMPLE,
    all_values,
    first_value,
    index_fields,
)
from models_ml.spectra.formats.ion_fields import Ion, read_ion
from models_ml.spectra.formats.items import Fault, RawRecord, ReadLimits, SpectrumIssue, UnusableRecord
from models_ml.spectra.formats.numbers import AmbiguousNumber, NotANumber, number_format, read_number
from models_ml.spectra.formats.precursor_fields import check_isolation, read_precursor, refuse_wide_window
from models_ml.spectra.formats.survey_scan import clean_ms1_peaks, survey_scan
from models_ml.spectra.spectrum import FloatArray, Spectrum
from models_ml.spectra.survey import Ms1Block, Survey

# Field keys, see `field_names`. The first that has a value wins.
TITLE = ("title", "recordtitle", "name", "compoundname", "compound", "chname")
IDENTIFIER = (
    "externalid", "accession", "spectrumid", "identifier", "libraryspectrumid", "featureid", "db", "title",
)  # fmt: skip
ENERGY = ("collisionenergy", "collisionenergyev")
INSTRUMENT = ("instrument", "instrumentname", "sourceinstrument", "acinstrument")
INSTRUMENT_TYPE = ("instrumenttype", "acinstrumenttype")
LICENSE = ("license", "licence")
TIME_WITH_UNIT = (("rtinseconds", 1.0), ("retentiontimes", 1.0), ("rtinminutes", 60.0))
TIME = ("retentiontime", "rt", "scanstarttime", "rettime")

_TIME_UNIT = re.compile(r"(s|sec|secs|seconds?|m|min|mins|minutes?)\.?$", re.I)
_ENERGY_NUMBER = re.compile(r"(\d+(?:\.\d+)?) ?(eV\b|%|\(?NCE\b|\(NCE\))?", re.I)
_NCE = re.compile(r"\bNCE ?[=:]? ?$", re.I)
_NOT_EV = re.compile(r"normali[sz]ed|ramp", re.I)
_MAX_ENERGY_TEXT = 200
_LEVEL_TEXT = re.compile(r"^(?:MS)?\^?([+-]?\d{1,3})(?:\.0)?$")
_LEVEL_INSIDE = re.compile(r"(?<![A-Z0-9])MS\^?(\d)(?!\d)")
_TANDEM = re.compile(r"MS(?:/?MS){1,8}(?![A-Z0-9])")
_UNNUMBERED_LEVEL = re.compile(r"(?<![A-Z0-9])MS\^?[NX](?![A-Z0-9])")  # "MSn"
_SCAN_FILTER = (
    "filter",
    "filterstring",
    "filterline",
    "scanfilter",
)  # of Thermo: "FTMS + c ESI d Full ms3 …"
_FILTER_LEVEL = re.compile(r"(?:^| )ms(\d)(?= |$)", re.I)
_TIME_ROUNDING_S = 6.0  # minutes with one decimal
_LONGEST_UNSTATED_TIME_S = 3 * 3600.0  # of a time that only by convention is in minutes


def to_spectrum(record: RawRecord, index: int, limits: ReadLimits) -> Iterator[Spectrum | SpectrumIssue]:
    """Yield one issue for each repair and then the Spectrum, or else one rejected or skipped issue."""
    values = index_fields(record.fields)
    title = _title(values)

    def issue(severity: str, fault: Fault) -> SpectrumIssue:
        return SpectrumIssue(
            index, record.position, severity, fault.code, fault.reason, fault.remedy, title  # type: ignore[arg-type]
        )  # fmt: skip

    skipped = _why_skipped(record, values)
    if skipped:
        ms1 = _ms1_block(record, values, limits) if skipped.code == "not_ms2" else None
        yield replace(issue("skipped", skipped), ms1=ms1)
        return
    if record.fault:
        yield issue("rejected", record.fault)
        return
    repairs = list(record.repairs)
    try:
        spectrum = _build(record, values, limits, repairs)
    except UnusableRecord as unusable:
        yield issue("rejected", unusable.fault)
        return
    for repair in repairs:
        yield issue("repaired", repair)
    yield spectrum


def _build(
    record: RawRecord, values: Mapping[str, str], limits: ReadLimits, repairs: list[Fault]
) -> Spectrum:
    _refuse_unknown_level(values)
    refuse_wide_window(record.fields)
    mz, intensity = _peaks(record, limits)
    precursor_mz = read_precursor(record.fields, repairs)
    ion = read_ion(values, repairs)
    precursor_mz = check_isolation(precursor_mz, ion[1], record.fields, repairs)
    claims = read_claims(values, precursor_mz, ion[0], repairs)
    mz, intensity = add_up_repeats(mz, intensity, repairs)
    mz, intensity = to_centroids(mz, intensity, record.profile, repairs)
    values = _without_several(values, repairs)
    time = _retention_time(values, record.time_unit_s, repairs)
    survey = survey_scan(record.survey_scan, precursor_mz, ion[1], ion[2], record.fields, repairs)
    return _assemble(record, values, mz, intensity, precursor_mz, ion, claims, time, survey)


def _assemble(
    record: RawRecord,
    values: Mapping[str, str],
    mz: FloatArray,
    intensity: FloatArray,
    precursor_mz: float,
    ion: Ion,
    claims: Claims,
    retention_time_s: float | None,
    survey: Survey | None,
) -> Spectrum:
    adduct, charge, ion_mode = ion
    energy = first_value(values, ENERGY)
    return Spectrum(
        mz=mz,
        intensity=intensity,
        precursor_mz=precursor_mz,
        charge=charge,
        adduct=adduct,
        ion_mode=ion_mode,
        ms_level=_level(values),
        collision_energy=energy,
        collision_energy_ev=_energy_ev(values, energy),
        retention_time_s=retention_time_s,
        instrument=first_value(values, INSTRUMENT),
        instrument_type=first_value(values, INSTRUMENT_TYPE),
        title=_title(values),
        external_id=first_value(values, IDENTIFIER),
        license=first_value(values, LICENSE),
        smiles=claims.smiles,
        inchikey=claims.inchikey,
        formula=claims.formula,
        metadata=record.fields,
        document=record.document,
        survey=survey,
        sample_id=first_value(values, SAMPLE),
    )


def _without_several(values: Mapping[str, str], repairs: list[Fault]) -> Mapping[str, str]:
    """The values, with identifiers, times and energies of which the record states several made empty."""
    several = {key for key in (*EXTERNAL_ID, *SAMPLE) if "\n" in values.get(key, "")}
    several |= _different_times(values) | _different_energies(values)
    for key in sorted(several):
        repairs.append(
            Fault(
                "several_values",
                f"The record states several values of {key} ({values[key][:60]!r}). None of them is used.",
                "Write one value in each record.",
            )
        )
    # Empty, not absent: otherwise the title would take the place of an identifier.
    return {**values, **dict.fromkeys(several, "")} if several else values


def _different_times(values: Mapping[str, str]) -> set[str]:
    """The fields of retention times with a unit in their name that differ by more than rounding."""
    stated: dict[str, float] = {}
    for key, unit_s in TIME_WITH_UNIT:
        if "\n" in values.get(key, ""):
            return {key}
        if key in values and (time := _not_negative(values[key], unit_s, [])) is not None:
            stated[key] = time
    differ = stated and max(stated.values()) - min(stated.values()) > _TIME_ROUNDING_S
    return set(stated) if differ else set()


def _different_energies(values: Mapping[str, str]) -> set[str]:
    """The fields of two energies in eV that differ."""
    first, second = ENERGY
    if first not in values or second not in values:
        return set()
    stated = _energy_ev({}, values[first])
    other = _not_negative(values[second], 1.0, [])
    return {first, second} if None not in (stated, other) and stated != other else set()


def _ms1_block(record: RawRecord, values: Mapping[str, str], limits: ReadLimits) -> Ms1Block | None:
    """The MS1 peaks of a record of a text file. None for a raw run, whose MS2 scans have their own survey."""
    level = _level(values)
    is_run = record.document is not None and record.document.is_run
    if is_run or record.fault or len(record.mz) == 0 or level not in (1, None):
        return None
    try:
        precursor_mz: float | None = read_precursor(record.fields, [])
    except UnusableRecord:
        precursor_mz = None
    try:
        mz, intensity = clean_ms1_peaks(*_peaks(record, limits))
    except UnusableRecord:
        return None
    adduct, charge, ion_mode = read_ion(values, [])
    return Ms1Block(
        document=record.document,
        label=feature_label(record.fields)[1],
        precursor_mz=precursor_mz,
        charge=charge,
        ion_mode=ion_mode or "",
        adduct=adduct,
        retention_time_s=_retention_time(values, record.time_unit_s, []),
        mz=mz,
        intensity=intensity,
        position=record.position,
    )


def _title(values: Mapping[str, str]) -> str:
    return first_value(values, TITLE)[:500]


def _level(values: Mapping[str, str]) -> int | None:
    return next(iter(_levels(values)), None)


def _levels(values: Mapping[str, str]) -> list[int]:
    """The distinct levels that the record states."""
    levels = [_read_level(text) for text in all_values(values, LEVEL)]
    levels += [
        int(match[1]) for text in all_values(values, _SCAN_FILTER) if (match := _FILTER_LEVEL.search(text))
    ]
    return list(dict.fromkeys(level for level in levels if level is not None))


def _read_level(text: str) -> int | None:
    text = text.upper().replace(" ", "")
    if text in ("MS", "MS1", "1"):
        return 1
    if text in ("MS/MS", "MSMS"):
        return 2
    if level := _LEVEL_TEXT.match(text):
        return int(level[1])
    if tandem := _TANDEM.search(text):  # "LC-ESI-MS/MS/MS"
        return tandem[0].count("MS")
    if level := _LEVEL_INSIDE.search(text):  # "LC-MS3", "MS2 SCAN"
        return int(level[1])
    return None


def _why_skipped(record: RawRecord, values: Mapping[str, str]) -> Fault | None:
    if record.withdrawn:
        return Fault("deprecated", record.withdrawn, "No action needed: use the record that replaces it.")
    not_ms2 = record.not_ms2 or _why_not_ms2(values)
    if not_ms2:
        return Fault("not_ms2", not_ms2, "No action needed: only MS2 scans are annotated.")
    return None


def _why_not_ms2(values: Mapping[str, str]) -> str:
    levels = _levels(values)
    level = levels[0] if len(levels) == 1 else None
    if level is not None and level > 0 and level != 2:
        return f"This is an MS{level} scan."
    kind = values.get("spectype", "").upper().replace("_", " ")
    if kind in ("CORRELATED MS", "MS1", "MS"):
        return f"SPECTYPE is {kind}, so this is an MS1 scan."
    return ""


def _refuse_unknown_level(values: Mapping[str, str]) -> None:
    levels = _levels(values)
    if len(levels) > 1:
        raise UnusableRecord(
            "bad_ms_level",
            f"The record states different MS levels ({', '.join(map(str, levels))}).",
            "Correct the level in the file, or convert the original file again.",
        )
    unnumbered = [text for text in all_values(values, LEVEL) if _UNNUMBERED_LEVEL.search(text.upper())]
    if unnumbered and not levels:
        raise UnusableRecord(
            "bad_ms_level",
            f"The MS level reads {unnumbered[0][:30]!r}, so it is unknown whether this is an MS2 scan.",
            "Write the level as a number, such as MSLEVEL=2, or remove the field from MS2 spectra.",
        )
    level = levels[0] if levels else None
    if level is not None and level < 1:
        raise UnusableRecord(
            "bad_ms_level",
            f"The MS level reads {level}, so it is unknown whether this is an MS2 scan.",
            "Correct the level in the file, or convert the original file again.",
        )


def _peaks(record: RawRecord, limits: ReadLimits) -> tuple[FloatArray, FloatArray]:
    mz = np.asarray(record.mz, dtype=np.float64)
    intensity = np.asarray(record.intensity, dtype=np.float64)
    if mz.shape != intensity.shape or mz.ndim != 1:
        raise UnusableRecord(
            "unequal_arrays",
            f"The spectrum has {mz.size} m/z values but {intensity.size} intensities.",
            "Export the spectrum again; each peak needs both.",
        )
    if mz.size == 0:
        raise UnusableRecord(
            "no_peaks", "The spectrum has no peaks.", "Remove it, or lower the threshold of the export."
        )
    if mz.size > limits.max_peaks_per_spectrum:
        raise too_many_peaks(limits)
    # Comparisons with NaN are false, so a NaN fails too.
    if not 0 < mz.min() <= mz.max() < math.inf:
        raise _bad_peak("m/z", mz, ~(np.isfinite(mz) & (mz > 0)))
    if not 0 <= intensity.min() <= (highest := intensity.max()) < math.inf:
        raise _bad_peak("intensity", intensity, ~(np.isfinite(intensity) & (intensity >= 0)))
    if highest == 0:
        raise UnusableRecord(
            "no_peaks", "All peaks have intensity 0.", "Remove the spectrum, or export it again."
        )
    return mz, intensity


def _bad_peak(name: str, values: FloatArray, is_bad: NDArray[np.bool_]) -> UnusableRecord:
    first = int(np.argmax(is_bad))
    return UnusableRecord(
        "bad_peak",
        f"Peak {first + 1} of {values.size} has {name} {values[first]:g}.",
        "m/z must be above 0 and intensity at least 0, both finite. Correct or remove this peak.",
    )


def too_many_peaks(limits: ReadLimits) -> UnusableRecord:
    """The error for a spectrum with more peaks than the limit."""
    return UnusableRecord(
        "too_many_peaks",
        f"The spectrum has more than {limits.max_peaks_per_spectrum:,} peaks.",
        "Centroid the spectrum and remove noise peaks before the export.",
    )


def _retention_time(
    values: Mapping[str, str], default_unit_s: float | None, repairs: list[Fault]
) -> float | None:
    for name, unit_s in TIME_WITH_UNIT:
        if name in values:
            return _not_negative(values[name], unit_s, repairs)
    text = first_value(values, TIME)
    unit = _TIME_UNIT.search(text)
    if unit:
        factor = 60.0 if unit[1].lower().startswith("m") else 1.0
        return _not_negative(text[: unit.start()], factor, repairs)
    seconds = _not_negative(text, default_unit_s, repairs) if default_unit_s else None
    if seconds is not None and seconds > _LONGEST_UNSTATED_TIME_S:
        reason = f"The retention time {text[:30]} has no unit and is too long for minutes, so it is ignored."
        repairs.append(Fault("unclear_unit", reason, "Write the unit, such as RTINSECONDS or 5.3 min."))
        return None
    return seconds


def _not_negative(text: str, factor: float, repairs: list[Fault]) -> float | None:
    try:
        number, repaired = read_number(text)
    except AmbiguousNumber as error:
        reason = f"The retention time {error}, so it is ignored."
        repairs.append(Fault("ambiguous_number", reason, "Export numbers with a decimal point."))
        return None
    except NotANumber:
        return None
    if not math.isfinite(number) or number < 0:
        return None
    if repaired:
        repairs.append(number_format(text, number))
    return number * factor


def _energy_ev(values: Mapping[str, str], text: str) -> float | None:
    """The energy in eV if the text states exactly one. "NCE=35% 22eV" states 22 eV besides the NCE."""
    if "collisionenergyev" in values:
        return _not_negative(values["collisionenergyev"], 1.0, [])
    if len(text) > _MAX_ENERGY_TEXT or _NOT_EV.search(text):
        return None
    energies = []
    for match in _ENERGY_NUMBER.finditer(text):
        unit = (match[2] or "").lower()
        if unit == "ev":
            energies.append(float(match[1]))
        elif not unit and not _NCE.search(text[: match.start()]):
            return None
    return energies[0] if len(energies) == 1 else None
