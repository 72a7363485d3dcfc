"""Generated molecules: repetitions, library membership and proposals."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

pytest.importorskip("torch", reason="annotation needs torch, which is not installed here")

from models_ml.inference.feature_work import FeatureWork
from models_ml.inference.molecule_generation import distinct, mark_known
from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.outcomes import AnnotateParams, GeneratedMolecule, Retrieved
from tests.models_ml.builders import make_retrieved

PARAMS = AnnotateParams()


def make_generated(block: str, mass_error_ppm: float) -> GeneratedMolecule:
    return GeneratedMolecule(
        1, "x", -1.0, smiles="x", inchikey_first_block=block, mass_error_ppm=mass_error_ppm
    )


def make_work(retrieved: Retrieved, generated: list[GeneratedMolecule]) -> FeatureWork:
    work = FeatureWork.of(fragment_spectrum("CCO"))
    work.retrieved, work.generated = retrieved, generated
    return work


def test_a_molecule_is_listed_once_from_its_best_beam() -> None:
    beams = [
        GeneratedMolecule(1, "CO", -1.0, smiles="CO", inchikey_first_block="A"),
        GeneratedMolecule(2, "((", -1.5),
        GeneratedMolecule(3, "OC", -2.0, smiles="CO", inchikey_first_block="A"),
        GeneratedMolecule(4, "))", -2.5),
    ]
    assert [molecule.beam_rank for molecule in distinct(beams)] == [1, 2, 4]


def test_molecules_in_the_library_are_marked_and_others_that_fit_are_proposed() -> None:
    generated = [
        make_generated("KEY0", 1.0),
        make_generated("OUTSIDE THE WINDOW", 2.0),
        make_generated("NEW", -9.0),
        make_generated("TOO HEAVY", 11.0),
    ]
    invalid = [GeneratedMolecule(1, "(", -1.0)]
    lookups: list[list[str]] = []

    def find_known(blocks: Sequence[str]) -> set[str]:
        lookups.append(list(blocks))
        return {"OUTSIDE THE WINDOW"}

    first = make_work(make_retrieved(0.5), generated)
    second = make_work(make_retrieved(0.5), invalid)
    mark_known([first, second], find_known, PARAMS)
    assert [molecule.in_library for molecule in first.generated] == [True, True, False, False]
    assert [molecule.is_proposed for molecule in first.generated] == [False, False, True, False]
    assert not second.generated[0].is_proposed
    # One lookup for the batch, without molecules that are candidates of the same spectrum
    assert lookups == [["NEW", "OUTSIDE THE WINDOW", "TOO HEAVY"]]


def test_without_find_known_only_candidates_of_the_same_spectrum_are_known() -> None:
    generated = [make_generated("KEY0", 1.0), make_generated("KEY1", 1.0)]
    first = make_work(make_retrieved(0.5, 0.4), [])
    second = make_work(make_retrieved(0.5), generated)
    mark_known([first, second], None, PARAMS)
    assert [molecule.in_library for molecule in second.generated] == [True, False]
    assert [molecule.is_proposed for molecule in second.generated] == [False, True]
