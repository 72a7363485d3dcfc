"""What the reference spectra say about each rank 1 is recorded with the result, and its pattern is stored."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_django import DjangoAssertNumQueries

from annotation.models import (
    Annotation,
    MoleculePattern,
    ReferenceCollection,
    ReferenceSpectrum,
    ReferenceVersion,
)
from annotation.references.matches import Question, compare_rank_1, nearest
from annotation.results import record
from annotation.spectra.records import to_exchange
from models_ml.molecules.substructure import pattern_bits, structure_of
from tests.annotation.builders import (
    SMILES,
    make_job,
    make_molecule,
    make_reference_version,
    make_spectrum,
)
from tests.annotation.results.test_record import PROVENANCE, annotated, claimed

pytestmark = pytest.mark.django_db

SAME = (65.0386, 121.0284, 139.0390, 163.0390)
OTHER = (65.0386, 77.1, 91.2, 105.3)


@pytest.fixture
def version() -> ReferenceVersion:
    """Aspirin with other peaks, and caffeic acid with the peaks of the builder's spectrum."""
    version = make_reference_version(
        ReferenceCollection.objects.create(name="public"), state=ReferenceVersion.State.IMPORTING
    )
    for position, (smiles, mz) in enumerate([(SMILES[0], OTHER), (SMILES[1], SAME)]):
        ReferenceSpectrum.objects.create(
            version=version,
            position=position,
            molecule=make_molecule(smiles),
            precursor_mz=181.0496,
            adduct="[M+H]+",
            origin="test",
            n_peaks=len(mz),
            mz_bytes=np.asarray(mz, dtype="<f8").tobytes(),
            intensity_bytes=np.asarray((12.0, 100.0, 40.0, 7.5), dtype="<f8").tobytes(),
            splash="splash10-test",
        )
    ReferenceVersion.objects.filter(pk=version.pk).update(state=ReferenceVersion.State.READY)
    return version


def test_the_comparison_is_recorded(version: ReferenceVersion) -> None:
    make_job(1, reference_version=version)
    batch = claimed()
    record.finish(batch, [annotated(0.9, 0.8)], PROVENANCE)
    row = Annotation.objects.get()
    first = nearest(version.pk, to_exchange(row.spectrum), row.adduct, 10.0)[0]
    assert row.best_reference == first.reference
    assert row.best_reference is not None
    assert row.reference_similarity == pytest.approx(first.similarity)
    assert row.reference_similarity is not None
    assert row.best_reference.molecule == make_molecule(SMILES[1])
    # Rank 1 is aspirin, whose reference has another spectrum.
    assert row.reference_disagreement is not None
    assert 0 < row.reference_disagreement < row.reference_similarity
    pattern = MoleculePattern.objects.get()
    assert pattern.molecule_id == row.top_molecule_id
    assert pattern.bits == pattern_bits(structure_of(SMILES[0]))


def test_references_that_support_rank_1_agree(
    version: ReferenceVersion, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    spectrum = to_exchange(make_spectrum())
    far = to_exchange(make_spectrum(precursor_mz=300.0))
    caffeic_acid = make_molecule(SMILES[1]).pk
    questions = [
        Question(spectrum, "[M+H]+", caffeic_acid), Question(far, "[M+H]+", caffeic_acid),
        Question(spectrum, "[M+H]+", None),
    ]  # fmt: skip
    with django_assert_num_queries(1):
        agrees, none, without = compare_rank_1(version.pk, questions, 10.0)
    assert none is None
    assert agrees is not None
    assert agrees.disagreement < 0
    assert without is not None
    assert without.disagreement == pytest.approx(1.0)


def test_without_references_nothing_is_recorded() -> None:
    make_job(1)
    record.finish(claimed(), [annotated(0.9)], PROVENANCE)
    row = Annotation.objects.get()
    assert (row.best_reference, row.reference_similarity, row.reference_disagreement) == (None, None, None)
