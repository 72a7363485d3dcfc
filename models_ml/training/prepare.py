"""Makes the arrays that training reads, from spectrum and structure files. Needs RDKit, not torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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
from models_ml.training.arrays import MoleculeArrays, SpectrumArrays, pack_ragged
from models_ml.training.folds import cluster_folds
from models_ml.training.spellings import Structure, molecule_arrays


def prepare(*, structures: Path, train: Path, val: Path, out: Path, variants: int, seed: int) -> None:
    """Write pretrain.npz, {train,val}_{spectra,compounds}.npz, folds.npz and tokenizer.json into `out`."""
    corpus = [as_structure(molecule) for molecule in standard_molecules(structures)]
    tokenizer = SmilesTokenizer.from_corpus(structure.smiles for structure in corpus)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(out / "tokenizer.json")
    molecule_arrays(corpus, tokenizer, variants=variants, seed=seed).save(out / "pretrain.npz")
    for fold, path in (("train", train), ("val", val)):
        prepare_spectra(path, tokenizer, out, fold, variants=variants, seed=seed)
    compounds = MoleculeArrays.load(out / "train_compounds.npz")
    cluster_folds(compounds.fingerprints, seed=seed).save(out / "folds.npz")


def prepare_spectra(
    path: Path, tokenizer: SmilesTokenizer, out: Path, fold: str, *, variants: int, seed: int
) -> None:
    """Write <fold>_spectra.npz and <fold>_compounds.npz of the spectra with structure, adduct and peaks."""
    places: dict[str, int] = {}
    compounds: list[Structure] = []
    known: dict[str, StandardMolecule | None] = {}
    kept: list[tuple[SpectrumFeatures, float, int]] = []
    for spectrum in tqdm(usable_spectra(path), f"{fold} spectra"):
        if spectrum.smiles not in known:
            known[spectrum.smiles] = identify(spectrum.smiles)
        molecule = known[spectrum.smiles]
        adduct = spectrum.adduct
        if molecule is None or adduct is None or spectrum.precursor_mz is None:
            continue
        features = spectrum_features(spectrum, adduct)
        if not len(features.mz):
            continue
        place = places.setdefault(molecule.smiles, len(places))
        if place == len(compounds):
            compounds.append(as_structure(molecule))
        kept.append((features, adducts.neutral_mass(spectrum.precursor_mz, adduct), place))
    spectrum_arrays(kept).save(out / f"{fold}_spectra.npz")
    molecule_arrays(compounds, tokenizer, variants=variants, seed=seed).save(out / f"{fold}_compounds.npz")


def spectrum_arrays(rows: list[tuple[SpectrumFeatures, float, int]]) -> SpectrumArrays:
    """Of features, neutral mass and compound row of each spectrum."""
    features = [row[0] for row in rows]
    mz, offsets = pack_ragged([one.mz for one in features], np.float32)
    intensity, _ = pack_ragged([one.intensity for one in features], np.float32)
    return SpectrumArrays(
        mz=mz,
        intensity=intensity,
        offsets=offsets,
        precursor_mz=np.array([one.precursor_mz for one in features]),
        neutral_mass=np.array([row[1] for row in rows]),
        adduct=np.array([one.adduct for one in features]),
        energy=np.array([one.energy for one in features], np.float32),
        energy_kind=np.array([one.energy_kind for one in features]),
        compound=np.array([row[2] for row in rows]),
    )


def as_structure(molecule: StandardMolecule) -> Structure:
    return Structure(molecule.smiles, molecule.fingerprint, molecule.exact_mass)


def standard_molecules(path: Path) -> Iterator[StandardMolecule]:
    """The usable molecules of a structure file, each once. Trusts the file: runs RDKit in this process."""
    seen: set[str] = set()
    for row in tqdm(read_structures(path), "structures"):
        if isinstance(row, StructureIssue):
            continue
        molecule = identify(row.structure)
        if molecule is not None and molecule.inchikey_first_block not in seen:
            seen.add(molecule.inchikey_first_block)
            yield molecule


def usable_spectra(path: Path) -> Iterator[Spectrum]:
    for item in read_spectra(path):
        if not isinstance(item, SpectrumIssue) and item.smiles:
            yield item
