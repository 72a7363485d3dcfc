"""Converts spectrum and structure files to the arrays that training reads. Needs RDKit, not torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from tqdm import tqdm

from models_ml.molecules.readers import read_structures
from models_ml.molecules.readers.rows import StructureIssue
from models_ml.molecules.standardise import StandardMolecule, identify
from models_ml.spectra import adducts
from models_ml.spectra.features import SpectrumFeatures, spectrum_features
from models_ml.spectra.formats import SpectrumIssue, read_spectra
from models_ml.spectra.spectrum import Spectrum
from models_ml.tokenizer import SmilesTokenizer
from models_ml.training.arrays import SpectrumArrays, pack_ragged
from models_ml.training.folds import cluster_folds
from models_ml.training.settings import PrepareSettings
from models_ml.training.spellings import Structure, molecule_arrays

SpectrumRow: TypeAlias = tuple[SpectrumFeatures, float, int]  # features, neutral mass, row of the compound


def prepare(settings: PrepareSettings) -> None:
    """Write pretrain.npz, {train,val}_{spectra,compounds}.npz, folds.npz and tokenizer.json into `out`."""
    out, variants, seed = settings.out, settings.variants, settings.seed
    corpus = [as_structure(molecule) for molecule in standard_molecules(settings.structures)]
    tokenizer = SmilesTokenizer.from_corpus(structure.smiles for structure in corpus)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(out / "tokenizer.json")
    molecule_arrays(corpus, tokenizer, variants=variants, seed=seed).save(out / "pretrain.npz")
    for fold, path in (("train", settings.train), ("val", settings.val)):
        spectra, structures = usable_spectra(path, fold)
        spectrum_arrays(spectra).save(out / f"{fold}_spectra.npz")
        compounds = molecule_arrays(structures, tokenizer, variants=variants, seed=seed)
        compounds.save(out / f"{fold}_compounds.npz")
        if fold == "train":
            cluster_folds(compounds.fingerprints, seed=seed).save(out / "folds.npz")


def usable_spectra(path: Path, fold: str) -> tuple[list[SpectrumRow], list[Structure]]:
    """The spectra with structure, adduct and peaks, and their compounds, each once."""
    row_of: dict[str, int] = {}
    compounds: list[Structure] = []
    known: dict[str, StandardMolecule | None] = {}
    kept: list[SpectrumRow] = []
    for spectrum in tqdm(spectra_with_structure(path), f"{fold} spectra"):
        if spectrum.smiles not in known:
            known[spectrum.smiles] = identify(spectrum.smiles)
        molecule = known[spectrum.smiles]
        adduct = spectrum.adduct
        if molecule is None or adduct is None or spectrum.precursor_mz is None:
            continue
        features = spectrum_features(spectrum, adduct)
        if not len(features.mz):
            continue
        compound = row_of.setdefault(molecule.smiles, len(row_of))
        if compound == len(compounds):
            compounds.append(as_structure(molecule))
        kept.append((features, adducts.neutral_mass(spectrum.precursor_mz, adduct), compound))
    return kept, compounds


def spectrum_arrays(rows: Sequence[SpectrumRow]) -> SpectrumArrays:
    features = [row[0] for row in rows]
    mz, offsets = pack_ragged([spectrum.mz for spectrum in features], np.float32)
    intensity, _ = pack_ragged([spectrum.intensity for spectrum in features], np.float32)
    return SpectrumArrays(
        mz=mz,
        intensity=intensity,
        offsets=offsets,
        precursor_mz=np.array([spectrum.precursor_mz for spectrum in features]),
        neutral_mass=np.array([row[1] for row in rows]),
        adduct=np.array([spectrum.adduct for spectrum in features]),
        energy=np.array([spectrum.energy for spectrum in features], np.float32),
        energy_kind=np.array([spectrum.energy_kind for spectrum in features]),
        compound=np.array([row[2] for row in rows]),
    )


def as_structure(molecule: StandardMolecule) -> Structure:
    return Structure(molecule.smiles, molecule.fingerprint, molecule.exact_mass)


def standard_molecules(path: Path) -> Iterator[StandardMolecule]:
    """The usable molecules of a structure file, each once. For trusted files: RDKit runs in this process."""
    seen: set[str] = set()
    for row in tqdm(read_structures(path), "structures"):
        if isinstance(row, StructureIssue):
            continue
        molecule = identify(row.structure)
        if molecule is not None and molecule.inchikey_first_block not in seen:
            seen.add(molecule.inchikey_first_block)
            yield molecule


def spectra_with_structure(path: Path) -> Iterator[Spectrum]:
    for item in read_spectra(path):
        if not isinstance(item, SpectrumIssue) and item.smiles:
            yield item
