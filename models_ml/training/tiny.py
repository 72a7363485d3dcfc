"""A complete small checkpoint in seconds, from structures only: every stage runs on computed spectra.

For tests and for trying the commands. It has learnt almost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models_ml.checkpoint_info import CheckpointInfo
from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.molecules.standardise import standardise
from models_ml.spectra import adducts
from models_ml.spectra.features import spectrum_features
from models_ml.tokenizer import SmilesTokenizer
from models_ml.training.contrastive.stage import run_contrastive
from models_ml.training.generative.stage import run_generative
from models_ml.training.pack import pack
from models_ml.training.prepare import SpectrumRow, as_structure, spectrum_arrays
from models_ml.training.pretrain import run_pretrain
from models_ml.training.settings import (
    ContrastiveSettings,
    GenerativeSettings,
    PackSettings,
    PretrainSettings,
)
from models_ml.training.spellings import molecule_arrays

ENERGIES_EV = (20.0, 40.0)


def make_tiny_checkpoint(
    folder: Path, smiles: Sequence[str], *, work: Path, steps: int = 20, blind: bool = False, seed: int = 0
) -> CheckpointInfo:
    """Train on `smiles` in `work`, pack into `folder`. The result is the same each time on one machine."""
    data, run = work / "data", work / "run"
    write_tiny_data(data, smiles, seed=seed)
    shared: dict[str, Any] = {
        "data": data,
        "run": run,
        "max_steps": steps,
        "batch_size": min(16, len(smiles)),
        "rate": 3e-3,
        "dropout": 0.0,
        "seed": seed,
        "threads": 1,
    }
    run_pretrain(PretrainSettings(**shared, config="tiny"))
    run_contrastive(ContrastiveSettings(**shared, blind=blind))
    run_generative(GenerativeSettings(**shared, per_compound=2))
    return pack(PackSettings(run=run, data=data, out=folder, name="tiny"))


def write_tiny_data(data: Path, smiles: Sequence[str], *, seed: int) -> None:
    """The files that `prepare` writes. Validation uses the training molecules: metrics mean nothing."""
    data.mkdir(parents=True, exist_ok=True)
    molecules = [standardise(text) for text in smiles]
    tokenizer = SmilesTokenizer.from_corpus((molecule.smiles for molecule in molecules), min_count=1)
    tokenizer.save(data / "tokenizer.json")
    structures = [as_structure(molecule) for molecule in molecules]
    arrays = molecule_arrays(structures, tokenizer, variants=1, seed=seed, progress=False)
    rows: list[SpectrumRow] = []
    for compound, molecule in enumerate(molecules):
        for energy in ENERGIES_EV:
            spectrum = fragment_spectrum(molecule.smiles, collision_energy_ev=energy, seed=seed)
            precursor = adducts.precursor_mz(molecule.exact_mass, "[M+H]+")
            features = spectrum_features(spectrum, "[M+H]+")
            rows.append((features, adducts.neutral_mass(precursor, "[M+H]+"), compound))
    arrays.save(data / "pretrain.npz")
    for fold in ("train", "val"):
        spectrum_arrays(rows).save(data / f"{fold}_spectra.npz")
        arrays.save(data / f"{fold}_compounds.npz")
