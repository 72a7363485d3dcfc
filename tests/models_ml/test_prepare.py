"""Files become the arrays that training reads: the same arrays each time, without torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.spectra.features import ENERGY_BARE, ENERGY_EV, ENERGY_NOT_STATED, ENERGY_PERCENT, read_energy
from models_ml.spectra.mgf_writer import write_mgf
from models_ml.spectra.preprocess import MAX_PEAKS, preprocess
from models_ml.spectra.spectrum import Spectrum
from models_ml.tokenizer import SmilesTokenizer
from models_ml.training.arrays import MoleculeArrays, SpectrumArrays
from models_ml.training.command_line import main
from models_ml.training.folds import cluster_folds
from models_ml.training.spellings import random_spellings
from tests.tiny_checkpoint import MOLECULES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("files")
    for fold, molecules in (("train", MOLECULES[:6]), ("val", MOLECULES[6:8])):
        spectra = [replace(fragment_spectrum(smiles), smiles=smiles) for smiles in molecules]
        without_structure = replace(spectra[0], smiles="")
        with (folder / f"{fold}.mgf").open("w", encoding="utf-8") as stream:
            write_mgf([*spectra, without_structure], stream)
    lines = (*MOLECULES, MOLECULES[0], "C(")
    (folder / "structures.smi").write_text("".join(f"{line}\n" for line in lines))
    return ["prepare", "--structures", str(folder / "structures.smi"), "--train", str(folder / "train.mgf"),
            "--val", str(folder / "val.mgf"), "--out"]  # fmt: skip


def test_every_usable_record_is_in_the_arrays(arguments: list[str], tmp_path: Path) -> None:
    main([*arguments, str(tmp_path)])
    corpus = MoleculeArrays.load(tmp_path / "pretrain.npz")
    assert len(corpus) == len(MOLECULES)
    assert corpus.spellings == 3
    tokenizer = SmilesTokenizer.load(tmp_path / "tokenizer.json")
    assert tokenizer.decode(corpus.spelling(2, 0)) == corpus.smiles[2]
    assert np.unpackbits(corpus.fingerprints[2]).sum() > 10
    spectra = SpectrumArrays.load(tmp_path / "train_spectra.npz")
    assert len(spectra) == 6
    assert spectra.compound.tolist() == list(range(6))
    compounds = MoleculeArrays.load(tmp_path / "train_compounds.npz")
    assert np.allclose(spectra.neutral_mass, compounds.exact_mass, atol=1e-3)


def test_preparing_twice_gives_the_same_arrays_and_needs_no_torch(
    arguments: list[str], tmp_path: Path
) -> None:
    code = "import sys; from models_ml.training.command_line import main; main(sys.argv[1:]); "
    code += "assert 'torch' not in sys.modules"
    for name in ("a", "b"):
        command = [sys.executable, "-c", code, *arguments, str(tmp_path / name)]
        subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    first, second = (MoleculeArrays.load(tmp_path / name / "pretrain.npz") for name in ("a", "b"))
    assert np.array_equal(first.tokens, second.tokens)


def test_random_spellings_are_the_same_molecule() -> None:
    spellings = random_spellings(MOLECULES[0], 5, seed=1)
    assert len(set(spellings)) > 1
    assert {Chem.CanonSmiles(spelling) for spelling in spellings} == {Chem.CanonSmiles(MOLECULES[0])}


@pytest.mark.parametrize(
    ("text", "energy_ev", "expected"),
    [
        ("", None, (0.0, ENERGY_NOT_STATED)),
        ("20 eV", 20.0, (0.2, ENERGY_EV)),
        ("35 % (nominal)", None, (0.35, ENERGY_PERCENT)),
        ("45(NCE)", None, (0.45, ENERGY_PERCENT)),
        ("Ramp 20-40 V", None, (0.3, ENERGY_EV)),
        ("30", None, (0.3, ENERGY_BARE)),
        ("15, 30, 45 (nominal)", None, (0.3, ENERGY_PERCENT)),
        ("SORI CID", None, (0.0, ENERGY_NOT_STATED)),
    ],
)
def test_collision_energies_are_read(text: str, energy_ev: float | None, expected: tuple[float, int]) -> None:
    energy, kind = read_energy(text, energy_ev)
    assert (round(energy, 6), kind) == expected


def test_preprocessing_keeps_the_strongest_usable_peaks() -> None:
    rng = np.random.default_rng(0)
    mz, intensity = rng.uniform(50, 500, 200), rng.uniform(0.5, 100, 200)
    intensity[:4] = [np.nan, -5, 0, 1e-6]
    spectrum = Spectrum(mz=mz, intensity=intensity)
    peaks = preprocess(spectrum)
    assert len(peaks) == MAX_PEAKS
    assert (np.diff(peaks.mz) > 0).all()
    assert peaks.intensity.max() == 1
    assert peaks.intensity.min() >= np.sort(intensity[4:] / intensity[4:].max())[-MAX_PEAKS]
    assert np.isnan(spectrum.intensity[0])  # the raw peaks do not change


def test_a_spectrum_without_usable_peaks_has_none_after_preprocessing() -> None:
    assert len(preprocess(Spectrum(mz=np.array([100.0]), intensity=np.array([0.0])))) == 0


def test_close_analogs_share_a_fold() -> None:
    """A chain of analogs is one cluster even if its ends differ. Folds have similar sizes."""
    rng = np.random.default_rng(0)
    rows = rng.random((40, 2048)) < 0.05
    chain = np.repeat(rng.random((1, 2048)) < 0.05, 3, axis=0)
    bits = np.flatnonzero(chain[0])
    chain[1, bits[:8]] = False
    chain[2, bits[:16]] = False
    packed = np.packbits(np.concatenate([rows, chain]), axis=1)
    folds = cluster_folds(packed, seed=0).fold
    assert len(set(folds[-3:])) == 1
    assert np.bincount(folds).min() >= 8
