"""Interprets the fields of a record, the same for all formats: aliases, units, signs, errors.

Never guesses: what the file does not state stays None, and contradictions become issues.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

import numpy as np

from models_ml.spectra.formats.field_names import first_value, index_fields
from models_ml.spectra.formats.ion_fields import Ion, read_ion
from models_ml.spectra.formats.items import Fault, RawRecord, ReadLimits, SpectrumIssue
from models_ml.spectra.spectrum import FloatArray, Spectrum

# Field keys, see `field_names`. The first that has a value wins.
_PRECURSOR = ("pepmass", "precursormz", "precursormass", "precursor", "parentmz")
_LEVEL = ("mslevel", "mstype", "spectrumtype")
_TITLE = ("title", "recordtitle", "name", "compoundname", "compound", "chname")
_IDENTIFIER = (
    "externalid", "accession", "spectrumid", "identifier", "libraryspectrumid", "featureid", "db", "title",
)  # fmt: skip
_ENERGY = ("collisionenergy", "collisionenergyev")
_SMILES = ("smiles", "chsmiles")
_INCHIKEY = ("inchikey", "inchiaux")
_FORMULA = ("formula", "molecularformula", "chformula")
_INSTRUMENT = ("instrument", "instrumentname", "sourceinstrument", "acinstrument")
_INSTRUMENT_TYPE = ("instrumenttype", "acinstrumenttype")

_TIME = re.compile(r"^(\d+(?:\.\d*)?(?:e[+-]?\d+)?)\s*(s|sec|secs|seconds?|m|min|mins|minutes?)\.?$", re.I)
_EV = re.compile(r"^[^\d%]*?(\d+(?:\.\d+)?)\s*eV\b[^\d%]*$", re.I)
_NOT_EV = re.compile(r"\bN?CE\b.*%|normali[sz]ed|\bNCE\b|ramp", re.I)
_INCHIKEY_TEXT = re.compile(r"^[A-Z]{14}-[A-Z]{10}-[A-Z]$")
_MAX_PRECURSOR_MZ = 100_000.0  # no tandem instrument measures more; it is a wrong unit or column


def to_spectrum(record: RawRecord, index: int, limits: ReadLimits) -> Iterator[Spectrum | SpectrumIssue]:
    """Yield one issue for each repair and then the Spectrum, or else one rejected or skipped issue."""
    values = index_fields(record.fields)
    title = _title(values)

    def issue(severity: str, fault: Fault) -> SpectrumIssue:
        return SpectrumIssue(
            index, record.position, severity, fault.code, fault.reason, fault.remedy, title  # type: ignore[arg-type]
        )  # fmt: skip

    not_ms2 = record.not_ms2 or _why_not_ms2(values)
    if not_ms2:
        yield issue("skipped", Fault("not_ms2", not_ms2, "No action needed: only MS2 scans are annotated."))
        return
    if record.fault:
        yield issue("rejected", record.fault)
        return
    repairs = list(record.repairs)
    try:
        mz, intensity = _peaks(record, limits)
        precursor_mz = _precursor(values)
        ion = read_ion(values, repairs)
    except _Unusable as unusable:
        yield issue("rejected", unusable.fault)
        return
    for repair in repairs:
        yield issue("repaired", repair)
    yield _build(record, values, mz, intensity, precursor_mz, ion)


def _build(
    record: RawRecord,
    values: Mapping[str, str],
    mz: FloatArray,
    intensity: FloatArray,
    precursor_mz: float,
    ion: Ion,
) -> Spectrum:
    adduct, charge, ion_mode = ion
    energy = first_value(values, _ENERGY)
    inchikey = first_value(values, _INCHIKEY)
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
        retention_time_s=_retention_time(values, record.time_unit_s),
        instrument=first_value(values, _INSTRUMENT),
        instrument_type=first_value(values, _INSTRUMENT_TYPE),
        title=_title(values),
        external_id=first_value(values, _IDENTIFIER),
        license=first_value(values, ("license", "licence")),
        smiles=first_value(values, _SMILES),
        inchikey=inchikey if _INCHIKEY_TEXT.match(inchikey) else "",
        formula=first_value(values, _FORMULA),
        metadata=record.fields,
    )


class _Unusable(Exception):
    """The spectrum is rejected, with this fault."""

    def __init__(self, code: str, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.fault = Fault(code, reason, remedy)


def _title(values: Mapping[str, str]) -> str:
    return first_value(values, _TITLE)[:500]


def _level(values: Mapping[str, str]) -> int | None:
    text = first_value(values, _LEVEL).upper().replace(" ", "")
    if text in ("MS", "MS1", "1"):
        return 1
    if text in ("MS/MS", "MSMS"):
        return 2
    level = re.match(r"^(?:MS)?(\d{1,2})(?:\.0)?$", text)
    return int(level[1]) if level else None


def _why_not_ms2(values: Mapping[str, str]) -> str:
    level = _level(values)
    if level is not None and level != 2:
        return f"This is an MS{level} scan."
    kind = values.get("spectype", "").upper().replace("_", " ")
    if kind in ("CORRELATED MS", "MS1", "MS"):
        return f"SPECTYPE is {kind}, so this is an MS1 scan."
    return ""


def _peaks(record: RawRecord, limits: ReadLimits) -> tuple[FloatArray, FloatArray]:
    mz = np.asarray(record.mz, dtype=np.float64)
    intensity = np.asarray(record.intensity, dtype=np.float64)
    if mz.shape != intensity.shape or mz.ndim != 1:
        raise _Unusable(
            "unequal_arrays",
            f"The spectrum has {mz.size} m/z values but {intensity.size} intensities.",
            "Export the spectrum again; each peak needs both.",
        )
    if mz.size == 0:
        raise _Unusable(
            "no_peaks", "The spectrum has no peaks.", "Remove it, or lower the threshold of the export."
        )
    if mz.size > limits.max_peaks_per_spectrum:
        raise too_many_peaks(limits)
    for array, name, bad in (
        (mz, "m/z", ~(np.isfinite(mz) & (mz > 0))),
        (intensity, "intensity", ~(np.isfinite(intensity) & (intensity >= 0))),
    ):
        if bad.any():
            first = int(np.argmax(bad))
            raise _Unusable(
                "bad_peak",
                f"Peak {first + 1} of {mz.size} has {name} {array[first]:g}.",
                "m/z must be above 0 and intensity at least 0, both finite. Correct or remove this peak.",
            )
    if not intensity.any():
        raise _Unusable("no_peaks", "All peaks have intensity 0.", "Remove the spectrum, or export it again.")
    return mz, intensity


def too_many_peaks(limits: ReadLimits) -> _Unusable:
    """The error for a spectrum with more peaks than the limit."""
    return _Unusable(
        "too_many_peaks",
        f"The spectrum has more than {limits.max_peaks_per_spectrum:,} peaks.",
        "Centroid the spectrum and remove noise peaks before the export.",
    )


def _precursor(values: Mapping[str, str]) -> float:
    remedy = "Add it to the record: PEPMASS in MGF, PrecursorMZ in MSP, PRECURSOR_M/Z in MassBank."
    text = first_value(values, _PRECURSOR)
    if not text:
        raise _Unusable("no_precursor", "The spectrum has no precursor m/z.", remedy)
    first = re.split(r"[\s;,]+", text)[0] if not re.match(r"^\d+,\d+$", text) else text
    try:
        number = float(first)
    except ValueError:
        reason = f"The precursor m/z {text[:60]!r} is not a number."
        raise _Unusable("bad_precursor", reason, remedy) from None
    if number == 0 or math.isnan(number):
        raise _Unusable("no_precursor", f"The precursor m/z is {first}.", remedy)
    if not 0 < number <= _MAX_PRECURSOR_MZ:
        raise _Unusable("bad_precursor", f"The precursor m/z is {first}.", remedy)
    return number


def _retention_time(values: Mapping[str, str], default_unit_s: float | None) -> float | None:
    for name, unit_s in (("rtinseconds", 1.0), ("retentiontimes", 1.0), ("rtinminutes", 60.0)):
        if name in values:
            return _not_negative(values[name], unit_s)
    text = first_value(values, ("retentiontime", "rt", "scanstarttime", "rettime"))
    time = _TIME.match(text)
    if time:
        return _not_negative(time[1], 60.0 if time[2].lower().startswith("m") else 1.0)
    return _not_negative(text, default_unit_s) if default_unit_s else None


def _not_negative(text: str, factor: float) -> float | None:
    try:
        number = float(text) * factor
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _energy_ev(values: Mapping[str, str], text: str) -> float | None:
    if "collisionenergyev" in values:
        return _not_negative(values["collisionenergyev"], 1.0)
    energy = _EV.match(text)
    return float(energy[1]) if energy and not _NOT_EV.search(text) else None
