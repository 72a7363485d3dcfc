"""Training data as plain arrays in .npz files, so that a GPU machine without RDKit can train from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models_ml.spectra.features import SpectrumFeatures


class ArrayFile:
    """A dataclass of arrays, saved in one .npz file. Nothing is pickled."""

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        np.savez(path, **values)

    @classmethod
    def load(cls, path: Path) -> Self:
        if not path.exists():
            raise FileNotFoundError(
                f"{path} is missing. Make it first: python -m models_ml.training prepare --out {path.parent}"
            )
        with np.load(path, allow_pickle=False) as stored:
            return cls(**{name: stored[name] for name in stored.files})


@dataclass(frozen=True, slots=True, eq=False)
class MoleculeArrays(ArrayFile):
    """n molecules in V + 1 spellings: spelling 0 canonical, the rest randomised.

    Spelling v of molecule i is ``tokens[offsets[i * (V + 1) + v]:offsets[i * (V + 1) + v + 1]]``,
    with BOS and EOS.
    """

    tokens: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    fingerprints: NDArray[np.uint8]  # (n, 256): 2048 bits of Morgan, radius 2, packed
    exact_mass: NDArray[np.float64]  # (n,) Da
    text: NDArray[np.uint8]  # canonical SMILES in UTF-8, one per line

    def __len__(self) -> int:
        return int(self.exact_mass.shape[0])

    @property
    def spellings(self) -> int:
        return int(self.offsets.shape[0] - 1) // max(len(self), 1)

    @property
    def smiles(self) -> list[str]:
        return self.text.tobytes().decode().split("\n")

    def followed_by(self, other: MoleculeArrays) -> MoleculeArrays:
        """These molecules, then those of `other`, which must have the same number of spellings."""
        return MoleculeArrays(
            tokens=np.concatenate([self.tokens, other.tokens]),
            offsets=np.append(self.offsets, other.offsets[1:] + self.offsets[-1]),
            fingerprints=np.concatenate([self.fingerprints, other.fingerprints]),
            exact_mass=np.concatenate([self.exact_mass, other.exact_mass]),
            text=np.concatenate([self.text, np.frombuffer(b"\n", np.uint8), other.text]),
        )

    def spelling(self, molecule: int, variant: int) -> NDArray[np.uint16]:
        index = molecule * self.spellings + variant
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]

    def lengths(self) -> NDArray[np.int64]:
        """Number of tokens of each spelling, (n, V + 1)."""
        return np.diff(self.offsets).reshape(len(self), self.spellings)


@dataclass(frozen=True, slots=True, eq=False)
class SpectrumArrays(ArrayFile):
    """Preprocessed spectra. ``compound`` is the row in the molecule arrays beside them."""

    mz: NDArray[np.float32]
    intensity: NDArray[np.float32]
    offsets: NDArray[np.int64]  # (n + 1,)
    precursor_mz: NDArray[np.float64]
    neutral_mass: NDArray[np.float64]
    adduct: NDArray[np.int64]
    energy: NDArray[np.float32]
    energy_kind: NDArray[np.int64]
    compound: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.precursor_mz.shape[0])

    def followed_by(self, other: SpectrumArrays, compound: NDArray[np.int64]) -> SpectrumArrays:
        """These spectra, then those of `other` with their compounds renumbered to `compound`."""
        renumbered = replace(other, offsets=other.offsets[1:] + self.offsets[-1], compound=compound)
        return SpectrumArrays(
            **{
                field.name: np.concatenate([getattr(self, field.name), getattr(renumbered, field.name)])
                for field in fields(self)
            }
        )

    def features(self, row: int) -> SpectrumFeatures:
        peaks = slice(self.offsets[row], self.offsets[row + 1])
        return SpectrumFeatures(
            mz=self.mz[peaks],
            intensity=self.intensity[peaks],
            precursor_mz=float(self.precursor_mz[row]),
            adduct=int(self.adduct[row]),
            energy=float(self.energy[row]),
            energy_kind=int(self.energy_kind[row]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class CompoundFolds(ArrayFile):
    """The fold of each training compound. Close analogs share a fold: see models_ml.training.folds."""

    fold: NDArray[np.int64]


def pack_ragged(rows: Sequence[NDArray[Any]], dtype: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Rows of unequal length as one flat array and its offsets."""
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    flat = np.concatenate(rows) if rows else np.zeros(0)
    return flat.astype(dtype), offsets
