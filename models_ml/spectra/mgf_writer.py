"""Writes spectra as MGF, for exports and the demonstration. `read_spectra` returns equal spectra."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TextIO

from models_ml.spectra.spectrum import Spectrum

NO_FIELDS: Mapping[str, str] = MappingProxyType({})


def write_mgf(spectra: Iterable[Spectrum], stream: TextIO, further: Mapping[str, str] = NO_FIELDS) -> int:
    """Write each spectrum as a BEGIN IONS block, with full precision. Returns the number of spectra.

    `further` holds more fields for each block; empty values are left out.
    """
    count = 0
    for spectrum in spectra:
        stream.write("BEGIN IONS\n")
        for name, value in (*_fields(spectrum), *further.items()):
            if value:
                stream.write(f"{name}={_one_line(value)}\n")
        for mz, intensity in zip(spectrum.mz.tolist(), spectrum.intensity.tolist(), strict=True):
            stream.write(f"{mz!r} {intensity!r}\n")
        stream.write("END IONS\n\n")
        count += 1
    return count


def _fields(spectrum: Spectrum) -> list[tuple[str, str]]:
    window = spectrum.isolation_window
    return [
        ("TITLE", spectrum.title),
        ("EXTERNAL_ID", spectrum.external_id),
        ("PEPMASS", _number(spectrum.precursor_mz)),
        ("CHARGE", _charge(spectrum)),
        ("IONMODE", spectrum.ion_mode or ""),
        ("ADDUCT", spectrum.adduct or ""),
        ("ISOLATION_WINDOW_LOWER", _number(window[0] if window else None)),
        ("ISOLATION_WINDOW_UPPER", _number(window[1] if window else None)),
        ("MSLEVEL", str(spectrum.ms_level) if spectrum.ms_level else ""),
        ("RTINSECONDS", _number(spectrum.retention_time_s)),
        ("COLLISION_ENERGY", spectrum.collision_energy),
        ("INSTRUMENT", spectrum.instrument),
        ("INSTRUMENT_TYPE", spectrum.instrument_type),
        ("FORMULA", spectrum.formula),
        ("SMILES", spectrum.smiles),
        ("INCHIKEY", spectrum.inchikey),
        ("LICENSE", spectrum.license),
    ]


def _charge(spectrum: Spectrum) -> str:
    """With its sign. Without a sign if the spectrum has no ion mode: a sign would state one."""
    charge = spectrum.charge
    if not charge:
        return ""
    if charge > 0 and spectrum.ion_mode is None and spectrum.adduct is None:
        return str(charge)
    return f"{abs(charge)}{'+' if charge > 0 else '-'}"


def _number(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def _one_line(value: str) -> str:
    return " ".join(value.split())
