"""The files of MassSpecGym: small files made here, and its published example of five spectra if present."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="evaluation runs the model, which needs torch")

from models_ml.evaluate.__main__ import main
from models_ml.evaluate.massspecgym import MassSpecGymData, read_massspecgym
from models_ml.molecules.standardise import standardise
from models_ml.outcomes import AnnotateParams
from tests.models_ml.test_evaluate import KEYS, make_cases
from tests.tiny_checkpoint import MOLECULES

CAFFEINE, THEOPHYLLINE, THEOBROMINE = MOLECULES[2:5]
# In Kekulé form, as MassSpecGym 1 writes truths but not decoys; also another tautomer.
KEKULE_THEOPHYLLINE = "CN1C(=O)C2=C(NC=N2)N(C)C1=O"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    columns = ["identifier", "mzs", "intensities", "smiles", "precursor_mz", "adduct", "instrument_type",
               "collision_energy", "fold"]  # fmt: skip
    rows = ["\t".join(columns)]
    for number, (smiles, fold) in enumerate([(KEKULE_THEOPHYLLINE, "test"), (THEOBROMINE, "val")]):
        spectrum = make_cases(smiles)[0].spectrum
        peaks = [
            ",".join(str(float(value)) for value in values) for values in (spectrum.mz, spectrum.intensity)
        ]
        row = [f"S{number}", *peaks, smiles, str(spectrum.precursor_mz), "[M+H]+", "Orbitrap", "20.0", fold]
        rows.append("\t".join(row))
    path = tmp_path / "gym.tsv"
    path.write_text("\n".join(rows) + "\n")
    return path


def write_lists(path: Path, lists: dict[str, list[str]]) -> Path:
    path.write_text(json.dumps(lists))
    return path


def read(
    spectra: Path, candidates: Path, cache: Path | None = None, split: Path | None = None
) -> MassSpecGymData:
    return read_massspecgym(
        spectra, candidates, split=split, fold=None if split else "test", val_fold="val", limit=None,
        val_limit=10, params=AnnotateParams(), max_peaks=64, cache=cache,
    )  # fmt: skip


def test_all_smiles_of_a_molecule_are_the_same_candidate(table: Path, tmp_path: Path) -> None:
    lists = {
        KEKULE_THEOPHYLLINE: [KEKULE_THEOPHYLLINE, THEOPHYLLINE, THEOBROMINE, "no molecule"],
        THEOBROMINE: [THEOBROMINE, THEOPHYLLINE],
    }
    candidates = write_lists(tmp_path / "mass.json", lists)
    for _ in range(2):  # the second run reads the cache
        data = read(table, candidates, tmp_path / "cache")
        (case,), (val,) = data.cases, data.val
        blocks = {data.library.molecules[key].inchikey_first_block for key in case.keys}
        assert blocks == {standardise(smiles).inchikey_first_block for smiles in (THEOPHYLLINE, THEOBROMINE)}
        assert data.n_truth_unlisted == data.n_without_list == 0
        assert len(val.keys) == 2
        assert case.spectrum.collision_energy_ev == 20


def test_a_list_is_found_under_another_smiles_of_the_molecule(table: Path, tmp_path: Path) -> None:
    data = read(table, write_lists(tmp_path / "v1.5.json", {THEOPHYLLINE: [THEOPHYLLINE, THEOBROMINE]}))
    assert len(data.cases[0].keys) == 2


def test_libraries_of_other_molecules_have_other_names(table: Path, tmp_path: Path) -> None:
    """Embeddings are cached by name: two candidate files must never share them."""
    first = read(table, write_lists(tmp_path / "first.json", {THEOPHYLLINE: [THEOPHYLLINE, THEOBROMINE]}))
    second = read(table, write_lists(tmp_path / "second.json", {THEOPHYLLINE: [THEOPHYLLINE, CAFFEINE]}))
    assert first.library.name != second.library.name


def test_missing_lists_and_truths_are_counted(table: Path, tmp_path: Path) -> None:
    data = read(table, write_lists(tmp_path / "other.json", {CAFFEINE: [CAFFEINE]}))
    assert data.n_without_list == 1
    data = read(table, write_lists(tmp_path / "without-truth.json", {THEOPHYLLINE: [THEOBROMINE]}))
    assert data.n_truth_unlisted == 1


def test_a_file_in_the_wrong_format_is_refused(table: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no candidate file"):
        read(table, write_lists(tmp_path / "bad.json", {THEOPHYLLINE: "CC"}))  # type: ignore[dict-item]
    (tmp_path / "bad.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(ValueError, match="lacks the columns mzs"):
        read(tmp_path / "bad.tsv", tmp_path / "bad.json")


@pytest.mark.shared
def test_the_published_example_is_evaluated(shared_data: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    example = shared_data / "formats" / "massspecgym"
    spectra = example / "example_5_spectra.mgf"
    candidates = example / "example_5_spectra_candidates.json"
    split = example / "example_5_spectra_split.tsv"
    data = read(spectra, candidates, split=split)
    assert len(data.cases) == 5
    assert len(data.val) == 1
    assert data.n_without_list == 0
    assert all(len(case.keys) > 20 for case in data.cases)
    main(["massspecgym", "--spectra", str(spectra), "--candidates", str(candidates), "--split", str(split),
          "--checkpoint", str(tiny_checkpoint), "--method", "random,retrieval", "--mces-limit", "0",
          "--out", str(tmp_path / "gym.json")])  # fmt: skip
    report = json.loads((tmp_path / "gym.json").read_text())
    assert report["protocol"] == "massspecgym"
    assert all(name in report["methods"]["retrieval"] for name in KEYS)
