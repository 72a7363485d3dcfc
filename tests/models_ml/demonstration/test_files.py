"""The files of the demonstration belong together, are attributed, and hold no molecule that training saw."""

from __future__ import annotations

import gzip
from collections import Counter
from importlib.resources import as_file
from pathlib import Path

import pytest
from rdkit import Chem

from models_ml.demonstration import files
from models_ml.demonstration.files import published_answer, published_answers, read_attribution
from models_ml.molecules.formula import exact_mass
from models_ml.molecules.standardise import standardise
from models_ml.outcomes import AnnotateParams
from models_ml.spectra.formats import SpectrumIssue, read_spectra
from models_ml.spectra.precursor_window import PrecursorWindow, mass_window
from models_ml.spectra.spectrum import Spectrum

MAX_BYTES = 1_000_000


@pytest.fixture(scope="module")
def spectra() -> list[Spectrum]:
    with as_file(files.SPECTRA) as path:
        items = list(read_spectra(path))
    found = [item for item in items if not isinstance(item, SpectrumIssue)]
    assert len(found) == len(items)
    return found


@pytest.fixture(scope="module")
def structures() -> list[str]:
    lines = gzip.decompress(files.LIBRARY.read_bytes()).decode().splitlines()
    return [line.split("\t")[0] for line in lines]


def test_sixty_features_of_distinct_molecules(spectra: list[Spectrum]) -> None:
    answers = published_answers()
    assert len(answers) == len({answer.inchikey_first_block for answer in answers}) == 60
    members = Counter(spectrum.metadata["FEATURE_ID"] for spectrum in spectra)
    assert {answer.feature: len(answer.accessions) for answer in answers} == members
    assert max(members.values()) == 3
    assert len({spectrum.adduct for spectrum in spectra}) >= 6
    assert {spectrum.ion_mode for spectrum in spectra} == {"positive", "negative"}
    assert len({spectrum.instrument_type for spectrum in spectra}) >= 5


def test_each_spectrum_is_attributed_and_hides_its_structure(spectra: list[Spectrum]) -> None:
    attribution = read_attribution()
    for spectrum in spectra:
        answer = published_answer(spectrum.title)
        assert answer is not None
        assert spectrum.title in answer.accessions
        assert spectrum.license in ("CC0", "CC BY")
        assert spectrum.metadata["AUTHORS"] == attribution[answer.accessions[0]].authors != ""
        assert (spectrum.smiles, spectrum.inchikey, spectrum.formula) == ("", "", "")
        assert answer.name.lower() not in str(dict(spectrum.metadata)).lower()
        assert isinstance(mass_window(spectrum, AnnotateParams()), PrecursorWindow)
    assert published_answer("MSBNK-Eawag-none") is None


def test_the_library_holds_all_molecules_but_those_left_out(structures: list[str]) -> None:
    assert len(structures) == len(set(structures)) == 20_000
    held = set(structures)
    left_out = [answer for answer in published_answers() if not answer.is_in_library]
    assert len(left_out) == 5
    assert not held & {answer.smiles for answer in left_out}
    assert {answer.smiles for answer in published_answers() if answer.is_in_library} <= held


def test_no_structure_is_one_that_was_left_out_in_another_form(structures: list[str]) -> None:
    """Tautomers have one InChIKey, so molecules of the same formula are compared by key."""
    left_out = {answer.inchikey_first_block for answer in published_answers() if not answer.is_in_library}
    masses = [
        standardise(answer.smiles).exact_mass for answer in published_answers() if not answer.is_in_library
    ]
    near = [smiles for smiles in structures if len(smiles) < 80 and _is_near(smiles, masses)]
    assert len(near) > 20
    assert not left_out & {standardise(smiles).inchikey_first_block for smiles in near}


def _is_near(smiles: str, masses: list[float]) -> bool:
    mass = exact_mass(Chem.MolFromSmiles(smiles))
    return any(abs(mass - other) < 0.001 for other in masses)


def test_answers_are_in_the_standard_form() -> None:
    for answer in published_answers():
        assert standardise(answer.smiles).inchikey_first_block == answer.inchikey_first_block


def test_the_files_are_small() -> None:
    size = sum(
        len(file.read_bytes()) for file in (files.SPECTRA, files.LIBRARY, files.ANSWERS, files.ATTRIBUTION)
    )
    assert size < MAX_BYTES


@pytest.mark.shared
def test_no_training_file_has_one_of_the_molecules(shared_data: Path) -> None:
    blocks = {answer.inchikey_first_block for answer in published_answers()}
    for fold in ("train", "val"):
        with gzip.open(shared_data / f"massbank/{fold}.mgf.gz", "rt", encoding="utf-8") as stream:
            seen = {line[9:23] for line in stream if line.startswith("INCHIKEY=")}
        assert not blocks & seen, fold
