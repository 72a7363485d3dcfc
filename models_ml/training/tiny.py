"""A complete little checkpoint in seconds, from structures alone: every stage with computed spectra.

For tests and for trying the commands out. It has learnt next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models_ml.checkpoint_info import CheckpointInfo
from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.molecules.standardise import standardise
from models_ml.spectra import adducts
from models_ml.spectra.features import spectrum_features
from models_ml.tokenizer import SmilesTokenizer
from models_ml.training.contrastive import ContrastiveChoices
from models_ml.training.generative import GenerativeChoices
from models_ml.training.pack import pack
from models_ml.training.prepare import as_structure, spectrum_arrays
from models_ml.training.pretrain import PretrainChoices
from models_ml.training.run import Budget
from models_ml.training.spellings import molecule_arrays
from models_ml.training.stage_data import StageOptions
from models_ml.training.stages import run_contrastive, run_generative, run_pretrain

ENERGIES_EV = (20.0, 40.0)


def make_tiny_checkpoint(
    folder: Path, smiles: Sequence[str], *, work: Path, steps: int = 20, blind: bool = False, seed: int = 0
) -> CheckpointInfo:
    """Train on `smiles` in `work`, pack into `folder`. Repeatable on one machine."""
    data, run = work / "data", work / "run"
    write_tiny_data(data, smiles, seed=seed)
    options = StageOptions(data, run, Budget(max_steps=steps), seed=seed, rate=3e-3, threads=1)
    size = min(16, len(smiles))
    run_pretrain(options, config="tiny", batch_size=size, choices=PretrainChoices())
    run_contrastive(
        options, source=run, blind=blind, mass_negatives=False, choices=ContrastiveChoices(batch_size=size)
    )
    run_generative(options, source=run, per_compound=2, choices=GenerativeChoices(batch_size=size))
    return pack(run=run, data=data, out=folder, name="tiny")


def write_tiny_data(data: Path, smiles: Sequence[str], *, seed: int) -> None:
    """The files that `prepare` writes. Validation is on the training molecules: nothing is claimed of it."""
    data.mkdir(parents=True, exist_ok=True)
    molecules = [standardise(one) for one in smiles]
    tokenizer = SmilesTokenizer.from_corpus((molecule.smiles for molecule in molecules), min_count=1)
    tokenizer.save(data / "tokenizer.json")
    structures = [as_structure(molecule) for molecule in molecules]
    arrays = molecule_arrays(structures, tokenizer, variants=1, seed=seed, progress=False)
    rows = []
    for place, molecule in enumerate(molecules):
        for energy in ENERGIES_EV:
            spectrum = fragment_spectrum(molecule.smiles, collision_energy_ev=energy, seed=seed)
            precursor = adducts.precursor_mz(molecule.exact_mass, "[M+H]+")
            features = spectrum_features(spectrum, "[M+H]+")
            rows.append((features, adducts.neutral_mass(precursor, "[M+H]+"), place))
    arrays.save(data / "pretrain.npz")
    for fold in ("train", "val"):
        spectrum_arrays(rows).save(data / f"{fold}_spectra.npz")
        arrays.save(data / f"{fold}_compounds.npz")
