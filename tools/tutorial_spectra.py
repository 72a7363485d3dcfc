"""Writes the spectra that the tutorial submits: `python -m tools.tutorial_spectra`.

They are measured spectra of the demonstration, without names. One record lacks its precursor on purpose: it
shows what a report looks like.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.resources import as_file
from pathlib import Path
from typing import TextIO

from models_ml.demonstration.files import SPECTRA
from models_ml.spectra.formats import SpectrumIssue, read_spectra
from models_ml.spectra.mgf_writer import write_mgf
from models_ml.spectra.spectrum import Spectrum

FILE = Path(__file__).resolve().parent.parent / "docs" / "tutorial" / "six-spectra.mgf"
# The record that each vial holds. The tutorial has the table of answers.
VIALS = {
    "vial-1": "MSBNK-Env_Anal_Chem_U_Tuebingen-TUE00671",
    "vial-2": "MSBNK-Eawag-EQ313451",
    "vial-3": "MSBNK-CASMI_2016-SM842501",
    "vial-4": "MSBNK-LCSB-LU057551",
    "vial-5": "MSBNK-LCSB-LU121101",
    "vial-6": "MSBNK-KWR-KW107401",
}
WITHOUT_PRECURSOR = "vial-6"
CREDITS = ("AUTHORS", "COPYRIGHT", "PUBLICATION")


def tutorial_spectra() -> list[Spectrum]:
    with as_file(SPECTRA) as path:
        read = [item for item in read_spectra(path) if not isinstance(item, SpectrumIssue)]
    by_accession = {spectrum.title: spectrum for spectrum in read}
    return [_vial(vial, by_accession[accession]) for vial, accession in VIALS.items()]


def _vial(vial: str, spectrum: Spectrum) -> Spectrum:
    spectrum = replace(spectrum, title=f"{vial} ({spectrum.title})", external_id=vial)
    return replace(spectrum, precursor_mz=None) if vial == WITHOUT_PRECURSOR else spectrum


def write(stream: TextIO) -> None:
    for spectrum in tutorial_spectra():
        credits = {name: spectrum.metadata.get(name, "") for name in CREDITS}
        write_mgf([spectrum], stream, credits)


def main() -> int:
    with FILE.open("w", encoding="utf-8") as stream:
        write(stream)
    print(f"Wrote {FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
