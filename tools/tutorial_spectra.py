"""Writes the spectra that the tutorial submits: `python -m tools.tutorial_spectra`.

They are computed, not measured. One record lacks its precursor on purpose: it shows what a report looks like.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.molecules.well_known import well_known_molecules
from models_ml.spectra.mgf_writer import write_mgf
from models_ml.spectra.spectrum import Spectrum

FILE = Path(__file__).resolve().parent.parent / "docs" / "tutorial" / "six-spectra.mgf"
ENERGY_EV = 30.0
# What the vials hold; the tutorial's table of answers.
VIALS = (
    ("vial-1", "Caffeine", "[M+H]+"),
    ("vial-2", "Quercetin", "[M-H]-"),
    ("vial-3", "Atrazine", "[M+H]+"),
    ("vial-4", "Diclofenac", "[M-H]-"),
    ("vial-5", "Carbamazepine", "[M+H]+"),
    ("vial-6", "Morphine", "[M+H]+"),
)
WITHOUT_PRECURSOR = "vial-6"


def tutorial_spectra() -> list[Spectrum]:
    smiles = {molecule.name: molecule.smiles for molecule in well_known_molecules()}
    return [_vial(vial, smiles[name], adduct) for vial, name, adduct in VIALS]


def _vial(vial: str, smiles: str, adduct: str) -> Spectrum:
    spectrum = replace(
        fragment_spectrum(smiles, adduct, ENERGY_EV), title=f"{vial} (computed)", external_id=vial
    )
    # The structure is what the reader has to find.
    spectrum = replace(spectrum, smiles="", inchikey="", formula="")
    return replace(spectrum, precursor_mz=None) if vial == WITHOUT_PRECURSOR else spectrum


def write(stream: TextIO) -> None:
    write_mgf(tutorial_spectra(), stream)


def main() -> int:
    with FILE.open("w", encoding="utf-8") as stream:
        write(stream)
    print(f"Wrote {FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
