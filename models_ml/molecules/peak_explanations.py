"""Which fragment ion of a structure explains each peak of a spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rdkit import Chem

from models_ml.molecules.cleavage import Fragments, enumerate_fragments
from models_ml.molecules.formula import format_formula
from models_ml.molecules.fragment_ions import ion_sign
from models_ml.molecules.ranked_ions import FragmentIons, rank_ions
from models_ml.molecules.structure_text import parse_structure
from models_ml.spectra.spectrum import Spectrum


@dataclass(frozen=True, slots=True)
class PeakExplanation:
    """The fragment ion of lowest effort that matches a peak."""

    peak_index: int
    formula: str  # of the ion, "C7H5O2+"
    mz: float  # theoretical
    error_ppm: float  # (measured - theoretical) / theoretical
    atoms: tuple[int, ...]  # heavy atoms of the fragment, in the order of the SMILES
    effort: float  # see ranked_ions
    smiles: str  # of the fragment as drawn in the molecule, with its broken bonds open


def explain_peaks(
    spectrum: Spectrum, smiles: str, adduct: str = "[M+H]+", tolerance_ppm: float = 10.0
) -> list[PeakExplanation]:
    """At most one explanation for each peak, by peak index: the ion of lowest effort within the tolerance.

    Raises UnusableStructure if the text is not a structure and ValueError for an unknown adduct.
    """
    fragments = enumerate_fragments(parse_structure(smiles), anion=ion_sign(adduct) < 0)
    ions = rank_ions(fragments, adduct)
    by_mz = np.argsort(ions.mz, kind="stable")
    sorted_mz = ions.mz[by_mz]
    explanations = []
    for peak_index, mz in enumerate(spectrum.mz):
        half = abs(mz) * tolerance_ppm * 1e-6
        low, high = np.searchsorted(sorted_mz, [mz - half, mz + half])
        if low == high:
            continue
        within = by_mz[low:high]
        ion = int(within[np.lexsort((np.abs(ions.mz[within] - mz), ions.effort[within]))[0]])
        theoretical = float(ions.mz[ion])
        atoms = tuple(int(index) for index in np.flatnonzero(fragments.atoms[ions.fragment[ion]]))
        explanations.append(
            PeakExplanation(
                peak_index=peak_index,
                formula=_ion_formula(fragments, ions, ion),
                mz=theoretical,
                error_ppm=float((mz - theoretical) / theoretical * 1e6),
                atoms=atoms,
                effort=float(ions.effort[ion]),
                smiles=Chem.MolFragmentToSmiles(fragments.mol, atomsToUse=atoms, canonical=False),
            )
        )
    return explanations


def _ion_formula(fragments: Fragments, ions: FragmentIons, ion: int) -> str:
    row = fragments.counts[ions.fragment[ion]]
    counts = {symbol: int(count) for symbol, count in zip(fragments.elements, row, strict=True)}
    counts["H"] += int(ions.shift[ion])
    if metal := ions.carriers[int(ions.carrier[ion])]:
        counts[metal] = counts.get(metal, 0) + 1
    return format_formula(counts) + ("+" if ions.sign > 0 else "-")
