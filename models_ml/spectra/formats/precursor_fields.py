"""Reads precursor m/z and isolation window of a record. Refuses several values and never takes the first."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from models_ml.spectra.formats.field_names import PRECURSOR, field_key, is_null
from models_ml.spectra.formats.items import Fault, UnusableRecord
from models_ml.spectra.formats.numbers import (
    AmbiguousNumber,
    NotANumber,
    lacks_digits,
    number_format,
    read_number,
    rounded_number,
)
from models_ml.spectra.spectrum import isolation_window

# Field keys, see `field_names`. The second group counts only if no field of the first has a value.
PRECURSOR_GROUPS = (PRECURSOR, ("precursormass", "precursor"))
_UNITS = frozenset({"m/z", "mz", "da", "th", "u", "amu"})
_SEPARATORS = re.compile(r"[/|;&]|,\s|\band\b|\bor\b|\s")
_THOUSANDS_GROUP = re.compile(r"^([1-9])\s+(\d{3}(?:[.,]\d+)?)(?=\s|$)")
_MAX_PRECURSOR_MZ = 100_000.0  # no tandem instrument measures more; it is a wrong unit or column
_REMEDY = "Add it to the record: PEPMASS in MGF, PrecursorMZ in MSP, PRECURSOR_M/Z in MassBank."
_SINGLE_REMEDY = "Write one precursor m/z in each record. Export mixed spectra without the other precursors."
_CONVERT_REMEDY = "Check the precursor in the original file, and correct it if it is wrong."

# A wider window isolates all ions of a mass range (DIA, SWATH, MSe), so no single precursor is known.
MAX_WINDOW_WIDTH = 10.0
_MAX_OFFSET_WITHOUT_WINDOW = MAX_WINDOW_WIDTH / 2
_WINDOW_TOLERANCE = 0.02  # m/z
_ISOTOPE_SPACING = 1.00335  # Da, 13C - 12C
_MAX_ISOTOPE = 3
_MAX_ASSUMED_CHARGE = 4


def read_precursor(fields: Mapping[str, str], repairs: list[Fault]) -> float:
    """The precursor m/z. Raises UnusableRecord if there is none, or more than one."""
    found: list[tuple[float, str]] = []
    zero = ""
    for keys in PRECURSOR_GROUPS:
        for text, from_pepmass in _texts(fields, keys):
            number = _read(text, from_pepmass, repairs)
            if number == 0 or math.isnan(number):
                zero = text
            elif not 0 < number <= _MAX_PRECURSOR_MZ:
                raise UnusableRecord("bad_precursor", f"The precursor m/z is {text[:60]}.", _REMEDY)
            else:
                found.append((number, text))
        if found:
            break
    if not found:
        stated = f"The precursor m/z is {zero[:60]}." if zero else "The spectrum has no precursor m/z."
        raise UnusableRecord("no_precursor", stated, _REMEDY)
    return _most_precise(found)


def _texts(fields: Mapping[str, str], keys: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    for name, value in fields.items():
        key = field_key(name)
        if key in keys:
            for line in value.split("\n"):
                if not is_null(line):
                    yield line.strip(), key == "pepmass"


def _read(text: str, from_pepmass: bool, repairs: list[Fault]) -> float:
    """The number of one field. PEPMASS may have an intensity and a charge after it."""
    group = _THOUSANDS_GROUP.match(text)
    joined = group[1] + group[2] + text[group.end() :] if group else text
    first, *others = joined.split()
    others = [token for token in others if token.lower() not in _UNITS]
    try:
        number, repaired = read_number(first.rstrip(",;") if others else first)
        if others and not from_pepmass and any(_plain(token) != number for token in others):
            raise NotANumber(text)
        if others and from_pepmass and first.endswith((",", ";")):
            raise NotANumber(text)
    except AmbiguousNumber as error:
        raise UnusableRecord(
            "ambiguous_number",
            f"The precursor m/z {error}.",
            "Export numbers with a decimal point and without thousands separators.",
        ) from None
    except NotANumber:
        raise _unreadable(text) from None
    if lacks_digits(first):
        fault = rounded_number("The precursor m/z", first)
        raise UnusableRecord(fault.code, fault.reason, fault.remedy)
    if repaired or group:
        repairs.append(number_format(text, number))
    return number


def _plain(text: str) -> float:
    return read_number(text.rstrip(",;"))[0]


def _unreadable(text: str) -> UnusableRecord:
    pieces = [piece.strip(",") for piece in _SEPARATORS.split(text[:200]) if piece.strip(",")]
    numbers = []
    for piece in pieces:
        try:
            numbers.append(read_number(piece)[0])
        except NotANumber:
            continue
    if len(numbers) > 1:
        return _several([f"{number:.12g}" for number in numbers])
    return UnusableRecord("bad_precursor", f"The precursor m/z {text[:60]!r} is not a number.", _REMEDY)


def _several(texts: list[str]) -> UnusableRecord:
    values = ", ".join(text[:30] for text in dict.fromkeys(texts))
    return UnusableRecord(
        "several_precursors", f"The record states several precursor m/z: {values[:200]}.", _SINGLE_REMEDY
    )


def _most_precise(found: list[tuple[float, str]]) -> float:
    """The value with the most decimals. Values are equal if they differ only by rounding."""
    best, best_decimals = found[0][0], _decimals(found[0][1])
    for number, text in found[1:]:
        decimals = _decimals(text)
        if abs(number - best) > 0.501 * 10.0 ** -min(decimals, best_decimals):
            raise _several([stated for _, stated in found])
        if decimals > best_decimals:
            best, best_decimals = number, decimals
    return best


def _decimals(text: str) -> int:
    fraction = re.match(r"[^.,]*[.,](\d*)", text)
    return min(len(fraction[1]), 4) if fraction else 0


def refuse_wide_window(fields: Mapping[str, str]) -> None:
    """Raise UnusableRecord if the isolation window is wider than MAX_WINDOW_WIDTH."""
    window = isolation_window(fields)
    if window is None or window[1] - window[0] <= MAX_WINDOW_WIDTH:
        return
    raise UnusableRecord(
        "wide_isolation_window",
        f"The isolation window is {window[1] - window[0]:g} m/z wide ({window[0]:g} to {window[1]:g}), so "
        "the scan has no single precursor (DIA, SWATH or MSe).",
        "Deconvolute the run first, for example with MS-DIAL, and upload the resulting spectra.",
    )


def check_isolation(
    precursor_mz: float, charge: int | None, fields: Mapping[str, str], repairs: list[Fault]
) -> float:
    """The precursor m/z that agrees with the isolation window, with a repair where they disagree."""
    target = _number(fields.get("ISOLATION_TARGET_MZ", ""))
    window = isolation_window(fields)
    if target is None and window is not None:
        target = (window[0] + window[1]) / 2
    if target is None:
        return precursor_mz
    lower, upper = window or (target - _MAX_OFFSET_WITHOUT_WINDOW, target + _MAX_OFFSET_WITHOUT_WINDOW)
    if lower - _WINDOW_TOLERANCE <= precursor_mz <= upper + _WINDOW_TOLERANCE:
        return precursor_mz
    where = (
        f"The selected ion m/z {precursor_mz:.10g} is outside the isolation window {lower:.8g} to {upper:.8g}"
    )
    isotope = _isotope(target - precursor_mz, charge)
    if isotope:
        reason = (
            f"{where}: the window isolates the isotope peak M+{isotope}. The m/z of the selected ion is used."
        )
        repairs.append(Fault("isolated_isotope", reason, _CONVERT_REMEDY))
        return precursor_mz
    reason = f"{where}. The isolation target {target:.10g} is used."
    repairs.append(Fault("outside_isolation_window", reason, _CONVERT_REMEDY))
    return target


def _isotope(offset: float, charge: int | None) -> int:
    """Number of the isotope peak at this m/z above the monoisotopic peak, or 0."""
    charges = [abs(charge)] if charge else range(1, _MAX_ASSUMED_CHARGE + 1)
    for size in charges:
        for isotope in range(1, _MAX_ISOTOPE + 1):
            if abs(offset - isotope * _ISOTOPE_SPACING / size) <= _WINDOW_TOLERANCE:
                return isotope
    return 0


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None
