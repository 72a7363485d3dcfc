"""The prepared arrays of one run, and the candidate lists that the ranking learns from. Needs no RDKit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models_ml.evidence.analogs import ReferenceIndex
from models_ml.spectra.features import ADDUCT_INDEX
from models_ml.training.arrays import CompoundFolds, MoleculeArrays, SpectrumArrays
from models_ml.training.mass_windows import MassSorted

# Notation of each row of the adduct table. Rows 0 and 1 are all other adducts, by their sign.
ADDUCT_NOTATION = {row: notation for notation, row in ADDUCT_INDEX.items()} | {0: "[M+H]+", 1: "[M-H]-"}


@dataclass(frozen=True, slots=True, eq=False)
class CandidateList:
    """One spectrum with the library molecules of its mass window."""

    spectrum: int
    candidates: NDArray[np.int64]  # library rows
    truth: int  # index of the right molecule in `candidates`


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """Training spectra, their compounds and folds, and the library of pre-training."""

    spectra: SpectrumArrays
    compounds: MoleculeArrays
    library: MoleculeArrays
    folds: NDArray[np.int64]  # fold of each compound
    own: NDArray[np.int64]  # library row of each compound

    @classmethod
    def load(cls, data: Path) -> TrainingData:
        compounds = MoleculeArrays.load(data / "train_compounds.npz")
        library = MoleculeArrays.load(data / "pretrain.npz")
        row_of = {smiles: row for row, smiles in enumerate(library.smiles)}
        return cls(
            spectra=SpectrumArrays.load(data / "train_spectra.npz"),
            compounds=compounds,
            library=library,
            folds=CompoundFolds.load(data / "folds.npz").fold,
            own=np.array([row_of[smiles] for smiles in compounds.smiles]),
        )

    def bits(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Morgan bits of library molecules, (n, 2048)."""
        return np.unpackbits(self.library.fingerprints[rows], axis=1).astype(np.float32)

    def references(self, rows: NDArray[np.int64]) -> ReferenceIndex:
        """The training spectra in `rows` as references of their compounds."""
        compounds = self.spectra.compound[rows]
        return ReferenceIndex(
            [self.spectra.features(int(row)) for row in rows],
            self.compounds.fingerprints[compounds],
            [str(compound) for compound in compounds],
        )

    def lists(self, rows: NDArray[np.int64]) -> list[CandidateList]:
        """In order of mass, so that spectra with the same candidates share the caches of fragments."""
        rows = rows[np.argsort(self.spectra.neutral_mass[rows], kind="stable")]
        by_mass = MassSorted.of(self.library.exact_mass)
        lists: list[CandidateList] = []
        for row in rows:
            truth = self.own[self.spectra.compound[row]]
            window = by_mass.window(self.spectra.neutral_mass[row], self.spectra.precursor_mz[row])
            window = np.unique(np.append(window, truth))
            lists.append(CandidateList(int(row), window, int(np.searchsorted(window, truth))))
        return lists
