"""The list of well-known molecules is distinct, in the standard form, with several in one mass window."""

from __future__ import annotations

from models_ml.molecules.standardise import standardise
from models_ml.spectra.adducts import neutral_mass, parse
from tests.well_known import computed_spectra, well_known_molecules


def test_every_structure_is_in_the_standard_form_and_distinct() -> None:
    entries = well_known_molecules()
    assert len(entries) >= 300
    molecules = [standardise(entry.smiles) for entry in entries]
    assert [molecule.smiles for molecule in molecules] == [entry.smiles for entry in entries]
    assert len({molecule.inchikey_first_block for molecule in molecules}) == len(entries)
    assert len({entry.name.lower() for entry in entries}) == len(entries)


def test_formulae_of_well_known_molecules() -> None:
    formulas = {entry.name: standardise(entry.smiles).formula for entry in well_known_molecules()}
    expected = {
        "Caffeine": "C8H10N4O2",
        "Cholesterol": "C27H46O",
        "Glucose": "C6H12O6",
        "Glyphosate": "C3H8NO5P",
        "Morphine": "C17H19NO3",
        "Erythromycin": "C37H67NO13",
        "Choline": "C5H14NO+",
        "Perfluorooctanesulfonic acid": "C8HF17O3S",
    }
    assert {name: formulas[name] for name in expected} == expected


def test_most_compounds_with_spectra_share_their_mass_window() -> None:
    masses = {entry.name: standardise(entry.smiles).exact_mass for entry in well_known_molecules()}
    computed = [entry.name for entry in well_known_molecules() if entry.computed_adducts]
    n_others = {
        name: sum(abs(mass - masses[name]) <= 1e-5 * masses[name] for mass in masses.values()) - 1
        for name in computed
    }
    assert len(computed) >= 24
    assert sum(count > 0 for count in n_others.values()) >= 0.75 * len(computed)
    assert max(n_others.values()) >= 5


def test_computed_spectra_are_marked_as_computed_and_have_no_structure() -> None:
    spectra = computed_spectra()
    masses = [standardise(entry.smiles).exact_mass for entry in well_known_molecules()]
    assert len({spectrum.title for spectrum in spectra}) == len(spectra) >= 60
    assert {spectrum.ion_mode for spectrum in spectra} == {"positive", "negative"}
    for spectrum in spectra:
        assert not spectrum.smiles
        assert not spectrum.formula
        assert "not measured" in spectrum.title
        assert spectrum.n_peaks >= 4
        assert spectrum.precursor_mz is not None
        assert spectrum.adduct is not None
        assert parse(spectrum.adduct).notation == spectrum.adduct
        mass = neutral_mass(spectrum.precursor_mz, spectrum.adduct)
        assert min(abs(mass - known) for known in masses) < 1e-4
