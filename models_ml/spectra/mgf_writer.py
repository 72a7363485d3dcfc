"""Writes spectra as MGF, for exports and the demonstration batch. `read_spectra` returns equal spectra."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from models_ml.spectra.spectrum import Spectrum


def write_mgf(spectra: Iterable[Spectrum], stream: TextIO) -> int:
    """Write each spectrum as a BEGIN IONS block, with full precision. Returns the number of spectra."""
    count = 0
    for spectrum in spectra:
        stream.write("BEGIN IONS\n")
        for name, value in _fields(spectrum):
            if value:
                stream.write(f"{name}={_one_line(value)}\n")
        for mz, intensity in zip(spectrum.mz.tolist(), spectrum.intensity.tolist(), strict=True):
            stream.write(f"{mz!r} {intensity!r}\n")
        stream.write("END IONS\n\n")
        count += 1
    return count


def _fields(spectrum: Spectrum) -> list[tuple[str, str]]:
    charge = spectrum.charge
    return [
        ("TITLE", spectrum.title),
        ("EXTERNAL_ID", spectrum.external_id),
        ("PEPMASS", _number(spectrum.precursor_mz)),
        ("CHARGE", f"{abs(charge)}{'+' if charge > 0 else '-'}" if charge else ""),
        ("IONMODE", spectrum.ion_mode or ""),
        ("ADDUCT", spectrum.adduct or ""),
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


def _number(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def _one_line(value: str) -> str:
    return " ".join(value.split())
