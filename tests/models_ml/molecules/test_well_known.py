"""The demonstration library is sound: distinct, standard, and with rivals in its mass windows."""

from __future__ import annotations

from models_ml.molecules.standardise import standardise
from models_ml.molecules.well_known import demonstration_spectra, well_known_molecules
from models_ml.spectra.adducts import neutral_mass, parse


def test_every_structure_is_in_the_standard_form_and_distinct() -> None:
    listed = well_known_molecules()
    assert len(listed) >= 300
    molecules = [standardise(entry.smiles) for entry in listed]
    assert [molecule.smiles for molecule in molecules] == [entry.smiles for entry in listed]
    assert len({molecule.inchikey_first_block for molecule in molecules}) == len(listed)
    assert len({entry.name.lower() for entry in listed}) == len(listed)


def test_formulae_of_some_that_everybody_knows() -> None:
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


def test_most_demonstration_compounds_have_rivals_within_ten_ppm() -> None:
    masses = {entry.name: standardise(entry.smiles).exact_mass for entry in well_known_molecules()}
    shown = [entry.name for entry in well_known_molecules() if entry.demonstration_adducts]
    rivals = {
        name: sum(abs(mass - masses[name]) <= 1e-5 * masses[name] for mass in masses.values()) - 1
        for name in shown
    }
    assert len(shown) >= 24
    assert sum(count > 0 for count in rivals.values()) >= 0.75 * len(shown)
    assert max(rivals.values()) >= 5


def test_demonstration_spectra_hide_the_structure_and_say_that_they_are_computed() -> None:
    spectra = demonstration_spectra()
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
