"""Spectra with structures, as reference spectra or as training set.

References of evaluated compounds are never used.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models_ml.evaluate.library import file_sha256
from models_ml.evidence.analogs import ReferenceIndex
from models_ml.molecules.fingerprint import fingerprint_matrix
from models_ml.molecules.standardise import identify
from models_ml.spectra import adducts
from models_ml.spectra.features import SpectrumFeatures, spectrum_features
from models_ml.spectra.formats import SpectrumIssue, read_spectra
from models_ml.spectra.preprocess import PREPROCESS_VERSION


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceSet:
    """Usable spectra of a file: features, and fingerprints (n, 256) and InChIKeys of their molecules."""

    features: list[SpectrumFeatures]
    fingerprints: NDArray[np.uint8]
    inchikeys: list[str]  # first blocks

    def index_without(self, compounds: Collection[str]) -> tuple[ReferenceIndex, int]:
        """An index without the references of these compounds, and how many references that removed."""
        kept = [index for index, inchikey in enumerate(self.inchikeys) if inchikey not in compounds]
        references = ReferenceIndex(
            [self.features[index] for index in kept],
            self.fingerprints[kept],
            [self.inchikeys[index] for index in kept],
        )
        return references, len(self.inchikeys) - len(kept)

    def compounds(self) -> NDArray[np.uint8]:
        """Fingerprints of the distinct molecules, (m, 256)."""
        _, first = np.unique(np.array(self.inchikeys, dtype=str), return_index=True)
        return self.fingerprints[first]


def read_references(path: Path, *, cache: Path | None = None) -> ReferenceSet:
    """Spectra with structure, precursor, adduct and peaks. `cache`: folder with results by file hash."""
    stored = cache / f"references-{PREPROCESS_VERSION}-{file_sha256(path)[:16]}.npz" if cache else None
    if stored is not None and stored.exists():
        return _load(stored)
    references = _read(path)
    if stored is not None:
        _save(stored, references)
    return references


def _read(path: Path) -> ReferenceSet:
    known: dict[str, tuple[str, bytes] | None] = {}
    features: list[SpectrumFeatures] = []
    fingerprints: list[bytes] = []
    inchikeys: list[str] = []
    for item in tqdm(read_spectra(path), "references"):
        if isinstance(item, SpectrumIssue) or not item.smiles or not item.adduct or not item.precursor_mz:
            continue
        if item.smiles not in known:
            molecule = identify(item.smiles)
            known[item.smiles] = (
                None if molecule is None else (molecule.inchikey_first_block, molecule.fingerprint)
            )
        molecule_known = known[item.smiles]
        if molecule_known is None:
            continue
        notation = adducts.normalise(item.adduct) or item.adduct
        spectrum = spectrum_features(item, notation)
        if len(spectrum.mz):
            features.append(spectrum)
            inchikeys.append(molecule_known[0])
            fingerprints.append(molecule_known[1])
    return ReferenceSet(features, fingerprint_matrix(fingerprints), inchikeys)


def _save(path: Path, references: ReferenceSet) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    features = references.features
    empty = np.zeros(0, np.float32)  # concatenate needs at least one array
    np.savez(
        path,
        counts=np.array([len(spectrum.mz) for spectrum in features], np.int64),
        mz=np.concatenate([empty, *(spectrum.mz for spectrum in features)]),
        intensity=np.concatenate([empty, *(spectrum.intensity for spectrum in features)]),
        ions=np.array(
            [
                (spectrum.precursor_mz, spectrum.adduct, spectrum.energy, spectrum.energy_kind)
                for spectrum in features
            ]
        ),
        fingerprints=references.fingerprints,
        inchikeys=np.array(references.inchikeys, dtype=str),
    )


def _load(path: Path) -> ReferenceSet:
    with np.load(path, allow_pickle=False) as stored:
        ends = np.cumsum(stored["counts"])[:-1]
        peaks = zip(np.split(stored["mz"], ends), np.split(stored["intensity"], ends), strict=True)
        ions = stored["ions"].tolist()
        fingerprints = stored["fingerprints"]
        inchikeys = stored["inchikeys"].tolist()
    features = [
        SpectrumFeatures(mz, intensity, precursor_mz, int(adduct), energy, int(kind))
        for (mz, intensity), (precursor_mz, adduct, energy, kind) in zip(peaks, ions, strict=True)
    ]
    return ReferenceSet(features, fingerprints, inchikeys)
