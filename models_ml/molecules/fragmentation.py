"""Fragment ions of a structure: which peaks of a spectrum they explain, and a computed spectrum of them.

The computed spectrum is made up, for tests and demonstrations; nothing here is a measurement.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_ml.molecules.cleavage import Fragments, enumerate_fragments
from models_ml.molecules.formula import ELECTRON_MASS, exact_mass, format_formula, formula_mass, hill_formula
from models_ml.molecules.structure_text import parse_structure
from models_ml.spectra.adducts import parse as parse_adduct
from models_ml.spectra.adducts import precursor_mz
from models_ml.spectra.spectrum import Spectrum

COMPUTED_NOTE = "computed from the structure by GLMR Server's own fragmenter, not measured"
_SHIFTS = np.array([0, 1, -1, 2, -2, 3, -3])
_HYDROGEN = formula_mass({"H": 1})
# Adducts whose metal can stay on a fragment.
_METALS = ("Na", "K", "Li")
_MAX_EFFORT = 9.0  # what needs more is not worth a claim
_MIN_INTENSITY = 0.004  # of the base peak
_MAX_PEAKS = 80
_EXPECTED_PEAKS = 12  # of at least 3 % of the base peak, where the structure has as many fragments
_MZ_NOISE_PPM = 1.5


@dataclass(frozen=True, slots=True)
class PeakExplanation:
    """The easiest fragment ion that a peak can be."""

    peak_index: int
    formula: str  # of the ion, "C7H5O2+"
    mz: float  # theoretical
    error_ppm: float  # (measured - theoretical) / theoretical
    atoms: tuple[int, ...]  # heavy atoms of the fragment, in the order of the SMILES
    effort: float  # see cleavage; lower is likelier


@dataclass(frozen=True, slots=True, eq=False)
class FragmentIons:
    """Fragment ions, easiest first: I ions."""

    mz: NDArray[np.float64]  # (I,)
    effort: NDArray[np.float64]  # (I,)
    fragment: NDArray[np.int64]  # (I,) row in Fragments
    shift: NDArray[np.int64]  # (I,) hydrogens beyond those drawn
    metal: NDArray[np.int64]  # (I,) index into carriers


def explain_peaks(
    spectrum: Spectrum, smiles: str, adduct: str = "[M+H]+", tolerance_ppm: float = 10.0
) -> list[PeakExplanation]:
    """At most one explanation a peak, by peak index; the easiest fragment within the tolerance.

    Raises UnusableStructure for a text that is no structure and ValueError for an unknown adduct.
    """
    fragments = enumerate_fragments(parse_structure(smiles), anion=parse_adduct(adduct).charge < 0)
    ions, carriers, sign = fragment_ions(fragments, adduct)
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
        explanations.append(
            PeakExplanation(
                peak_index=peak_index,
                formula=_ion_formula(fragments, ions, ion, carriers, sign),
                mz=theoretical,
                error_ppm=float((mz - theoretical) / theoretical * 1e6),
                atoms=tuple(int(index) for index in np.flatnonzero(fragments.atoms[ions.fragment[ion]])),
                effort=float(ions.effort[ion]),
            )
        )
    return explanations


def fragment_spectrum(
    smiles: str, adduct: str = "[M+H]+", collision_energy_ev: float = 30.0, seed: int = 0
) -> Spectrum:
    """A made-up, plausible MS/MS spectrum of a structure; equal arguments give equal peaks.

    Easily cleaved fragments are strong, the precursor fades with the energy, and the seed adds a little
    noise. Title, instrument and metadata say that it is computed. Raises as `explain_peaks` does.
    """
    mol = parse_structure(smiles)
    fragments = enumerate_fragments(mol, anion=parse_adduct(adduct).charge < 0)
    ions, _, sign = fragment_ions(fragments, adduct)
    precursor = precursor_mz(exact_mass(mol), adduct)
    rng = np.random.default_rng([seed, zlib.crc32(f"{smiles} {adduct} {collision_energy_ev}".encode())])
    mz, intensity = _strongest(ions, collision_energy_ev, precursor)
    mz = mz * (1 + rng.normal(0.0, _MZ_NOISE_PPM, len(mz)) * 1e-6)
    intensity = intensity * rng.lognormal(0.0, 0.15, len(mz))
    order = np.argsort(mz)
    return Spectrum(
        mz=mz[order],
        intensity=(intensity / intensity.max() * 999.0)[order],
        precursor_mz=precursor,
        charge=parse_adduct(adduct).charge,
        adduct=parse_adduct(adduct).notation,
        ion_mode="positive" if sign > 0 else "negative",
        ms_level=2,
        collision_energy=f"{collision_energy_ev:g} eV",
        collision_energy_ev=collision_energy_ev,
        instrument="none (computed)",
        instrument_type="computed",
        title=f"Computed MS/MS of {smiles}",
        smiles=smiles,
        formula=hill_formula(mol),
        metadata={"COMMENT": COMPUTED_NOTE},
    )


def fragment_ions(fragments: Fragments, adduct: str) -> tuple[FragmentIons, tuple[str, ...], int]:
    """Ions of all fragments for an adduct, the metals that they may carry, and the sign of their charge."""
    ion = parse_adduct(adduct)
    sign = 1 if ion.charge > 0 else -1
    gained = {symbol for symbol, count in ion.composition if count > 0}
    carriers = ("", *(metal for metal in _METALS if metal in gained))
    neutral = fragments.counts @ np.array([formula_mass({symbol: 1}) for symbol in fragments.elements])
    parts = [
        _ions_of_carrier(fragments, neutral, number, metal, sign, bare=metal == "" and len(carriers) > 1)
        for number, metal in enumerate(carriers)
    ]
    joined = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    order = np.argsort(joined[1], kind="stable")
    return FragmentIons(*(column[order] for column in joined)), carriers, sign


def _ions_of_carrier(
    fragments: Fragments, neutral: NDArray[np.float64], number: int, metal: str, sign: int, *, bare: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    n_fragments = len(neutral)
    fixed_charge = _fixed_charges(fragments) * sign
    # An even-electron ion needs as many hydrogens as bonds were broken, plus the one that makes it an ion;
    # a metal, or a charge that the atoms bring along, stands for that hydrogen.
    standing_in = np.full(n_fragments, 1 if metal else 0) + fixed_charge
    even = (_SHIFTS[None, :] - fragments.n_broken[:, None] - 1 + standing_in[:, None]) % 2 == 0
    # Cleavage hands over a hydrogen a broken bond at most, and the charge adds one more.
    reach = np.minimum(fragments.n_broken, 2)[:, None] + 1 - np.minimum(standing_in, 1)[:, None]
    allowed = (np.abs(_SHIFTS)[None, :] <= reach) & (fragments.counts[:, 1:2] + _SHIFTS[None, :] >= 0)
    effort = (
        fragments.effort[:, None]
        + np.where(even, 0.0, 1.6)
        + _shift_effort(fragments, sign)
        + _charge_effort(fragments, sign)[:, None]
        + (1.5 if bare else 0.0)  # a metal ion seldom leaves its proton behind
    )
    rows, columns = np.nonzero(allowed & (effort <= _MAX_EFFORT))
    mass = neutral[rows] + _SHIFTS[columns] * _HYDROGEN - sign * ELECTRON_MASS
    if metal:
        mass = mass + formula_mass({metal: 1})
    return mass, effort[rows, columns], rows, _SHIFTS[columns], np.full(len(rows), number, dtype=np.int64)


def _shift_effort(fragments: Fragments, sign: int) -> NDArray[np.float64]:
    """(F, shifts): taking more hydrogens along is harder, losing them harder still."""
    shifts = _SHIFTS[None, :]
    effort = np.where(shifts > 0, 0.1, 0.25) * np.abs(shifts)
    # Behind each broken bond one hydrogen changes sides. A single atom such as the O of a hydroxyl can
    # only take one, since water is lost and bare oxygen is not.
    most = (sign + fragments.n_broken - 2 * fragments.n_stubs)[:, None]
    effort = effort + 1.6 * np.clip(shifts - most, 0, None)
    # The intact ion with other hydrogens is another compound.
    whole = fragments.n_broken[:, None] == 0
    return np.where(whole, np.where(shifts == sign, 0.0, 4.0), effort)


def _charge_effort(fragments: Fragments, sign: int) -> NDArray[np.float64]:
    """(F,): nitrogen holds a proton best, oxygen less; anions want oxygen or sulfur. Tiny ions are rare."""
    columns = {symbol: index for index, symbol in enumerate(fragments.elements)}

    def has(symbol: str) -> NDArray[np.bool_]:
        absent = np.zeros(len(fragments.effort), dtype=bool)
        return fragments.counts[:, columns[symbol]] > 0 if symbol in columns else absent

    best, fair = (has("N"), has("O")) if sign > 0 else (has("O") | has("S"), has("N"))
    n_atoms = fragments.atoms.sum(axis=1)
    small = np.clip(4 - n_atoms, 0, None) * 0.7
    effort: NDArray[np.float64] = np.where(best, 0.0, np.where(fair, 0.3, 0.9)) + small
    return effort


def _fixed_charges(fragments: Fragments) -> NDArray[np.int64]:
    charges = np.array([atom.GetFormalCharge() for atom in fragments.mol.GetAtoms()], dtype=np.int64)
    return fragments.atoms.astype(np.int64) @ charges


def _strongest(
    ions: FragmentIons, collision_energy_ev: float, precursor: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """m/z and intensity of the peaks worth showing, precursor included."""
    energy = max(collision_energy_ev, 1.0)
    temperature = 0.35 * (energy / 30.0) ** 0.6
    below = (ions.mz < precursor - 0.5) & (ions.mz > 40.0)
    mz, effort = ions.mz[below], ions.effort[below]
    # Ions of one formula are one peak, as easy as the easiest of them: `ions` come easiest first.
    _, first = np.unique(np.round(mz, 5), return_index=True)
    first = first[np.argsort(effort[first], kind="stable")][: 4 * _MAX_PEAKS]
    mz, effort = mz[first], effort[first]
    easiest = float(effort[0]) if len(effort) else 0.0
    if len(effort) > _EXPECTED_PEAKS:
        # A steroid has few easy bonds, so the energy goes into hard ones instead of into nothing.
        spread = float(effort[_EXPECTED_PEAKS] - easiest)
        temperature = max(temperature, min(1.5, spread / -np.log(0.03)))
    intensity = np.exp((easiest - effort) / temperature)
    # Larger molecules share the energy over more bonds and survive better.
    survival = 2.5 * np.exp(-energy / (8.0 + precursor / 25.0) / max(easiest, 0.5) * 1.1)
    keep = np.argsort(-intensity, kind="stable")[:_MAX_PEAKS]
    keep = keep[intensity[keep] >= _MIN_INTENSITY]
    return np.append(mz[keep], precursor), np.append(intensity[keep], max(survival, 0.01))


def _ion_formula(
    fragments: Fragments, ions: FragmentIons, ion: int, carriers: tuple[str, ...], sign: int
) -> str:
    row = fragments.counts[ions.fragment[ion]]
    counts = {symbol: int(count) for symbol, count in zip(fragments.elements, row, strict=True)}
    counts["H"] += int(ions.shift[ion])
    if metal := carriers[int(ions.metal[ion])]:
        counts[metal] = counts.get(metal, 0) + 1
    return format_formula(counts) + ("+" if sign > 0 else "-")
