"""MassSpecGym's files: its published five-spectrum example where it is at hand, and small files made here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="evaluation runs the model, which needs torch")

from models_ml.evaluate.__main__ import main
from models_ml.evaluate.massspecgym import Gym, read_gym
from models_ml.molecules.standardise import standardise
from models_ml.outcomes import AnnotateParams
from tests.models_ml.test_evaluate import KEYS, make_cases
from tests.tiny_checkpoint import MOLECULES

CAFFEINE, THEOPHYLLINE, THEOBROMINE = MOLECULES[2:5]
# In Kekulé form, as MassSpecGym 1 spells truths and not decoys; another tautomer besides.
KEKULE_THEOPHYLLINE = "CN1C(=O)C2=C(NC=N2)N(C)C1=O"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    columns = ["identifier", "mzs", "intensities", "smiles", "precursor_mz", "adduct", "instrument_type",
               "collision_energy", "fold"]  # fmt: skip
    rows = ["\t".join(columns)]
    for number, (smiles, fold) in enumerate([(KEKULE_THEOPHYLLINE, "test"), (THEOBROMINE, "val")]):
        spectrum = make_cases(smiles)[0].spectrum
        peaks = [",".join(str(float(one)) for one in values) for values in (spectrum.mz, spectrum.intensity)]
        row = [f"S{number}", *peaks, smiles, str(spectrum.precursor_mz), "[M+H]+", "Orbitrap", "20.0", fold]
        rows.append("\t".join(row))
    path = tmp_path / "gym.tsv"
    path.write_text("\n".join(rows) + "\n")
    return path


def write_lists(path: Path, lists: dict[str, list[str]]) -> Path:
    path.write_text(json.dumps(lists))
    return path


def read(spectra: Path, candidates: Path, cache: Path | None = None, split: Path | None = None) -> Gym:
    return read_gym(
        spectra, candidates, split=split, fold=None if split else "test", val_fold="val", limit=None,
        val_limit=10, params=AnnotateParams(), max_peaks=64, cache=cache,
    )  # fmt: skip


def test_spellings_of_one_molecule_are_one_candidate(table: Path, tmp_path: Path) -> None:
    lists = {
        KEKULE_THEOPHYLLINE: [KEKULE_THEOPHYLLINE, THEOPHYLLINE, THEOBROMINE, "no molecule"],
        THEOBROMINE: [THEOBROMINE, THEOPHYLLINE],
    }
    candidates = write_lists(tmp_path / "mass.json", lists)
    for _ in range(2):  # the second time from the cache
        gym = read(table, candidates, tmp_path / "cache")
        (case,), (val,) = gym.cases, gym.val
        found = {gym.library.molecules[key].inchikey_first_block for key in case.keys}
        assert found == {standardise(one).inchikey_first_block for one in (THEOPHYLLINE, THEOBROMINE)}
        assert gym.n_truth_unlisted == gym.n_without_list == 0
        assert len(val.keys) == 2
        assert case.spectrum.collision_energy_ev == 20


def test_a_list_is_found_under_another_spelling(table: Path, tmp_path: Path) -> None:
    gym = read(table, write_lists(tmp_path / "v1.5.json", {THEOPHYLLINE: [THEOPHYLLINE, THEOBROMINE]}))
    assert len(gym.cases[0].keys) == 2


def test_libraries_of_other_molecules_have_other_names(table: Path, tmp_path: Path) -> None:
    """Embeddings are kept by name: two candidate files must never share them."""
    one = read(table, write_lists(tmp_path / "one.json", {THEOPHYLLINE: [THEOPHYLLINE, THEOBROMINE]}))
    two = read(table, write_lists(tmp_path / "two.json", {THEOPHYLLINE: [THEOPHYLLINE, CAFFEINE]}))
    assert one.library.name != two.library.name


def test_what_is_amiss_is_counted(table: Path, tmp_path: Path) -> None:
    gym = read(table, write_lists(tmp_path / "some.json", {CAFFEINE: [CAFFEINE]}))
    assert gym.n_without_list == 1
    gym = read(table, write_lists(tmp_path / "lost.json", {THEOPHYLLINE: [THEOBROMINE]}))
    assert gym.n_truth_unlisted == 1


def test_a_file_of_another_kind_is_refused(table: Path, tmp_path: Path) -> None:
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
    gym = read(spectra, candidates, split=split)
    assert len(gym.cases) == 5
    assert len(gym.val) == 1
    assert gym.n_without_list == 0
    assert all(len(case.keys) > 20 for case in gym.cases)
    main(["massspecgym", "--spectra", str(spectra), "--candidates", str(candidates), "--split", str(split),
          "--checkpoint", str(tiny_checkpoint), "--method", "random,retrieval", "--mces-limit", "0",
          "--out", str(tmp_path / "gym.json")])  # fmt: skip
    report = json.loads((tmp_path / "gym.json").read_text())
    assert report["protocol"] == "massspecgym"
    assert all(name in report["methods"]["retrieval"] for name in KEYS)
