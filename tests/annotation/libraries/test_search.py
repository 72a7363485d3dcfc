"""Pre-retrieval returns exactly the mass window, in the order that numpy computes, whatever the indexes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from pytest_django import DjangoAssertNumQueries

from annotation.libraries import vector_index
from annotation.libraries.search import NotEmbedded, known_in, retrieve_from
from annotation.models import Library, LibraryEntry, LibraryVersion, ModelVersion, Molecule, MoleculeEmbedding
from models_ml.outcomes import Embedding, Query
from tests.annotation.builders import EMBEDDING_DIM, embed, make_library_version, make_model_version

pytestmark = pytest.mark.django_db
N_MOLECULES = 300


@pytest.fixture
def model_version() -> ModelVersion:
    return make_model_version()


@pytest.fixture
def version(model_version: ModelVersion) -> LibraryVersion:
    """Molecules of 100.00, 100.01, … Da. Their structures do not matter here."""
    version = LibraryVersion.objects.create(
        library=Library.objects.create(name="steps"), number=1, source_file_name="x", source_sha256="0" * 64
    )
    molecules = Molecule.objects.bulk_create(
        Molecule(
            inchikey_first_block=f"TEST{n:010d}",
            smiles=f"smiles {n}",
            formula="CH4",
            exact_mass=100 + n / 100,
            fingerprint=n.to_bytes(2) * 128,
        )
        for n in range(N_MOLECULES)
    )
    LibraryEntry.objects.bulk_create(
        LibraryEntry(
            version=version,
            molecule=molecule,
            exact_mass=molecule.exact_mass,
            row_number=row,
            drawn_smiles="",
        )
        for row, molecule in enumerate(molecules, 1)
    )
    embed(version, model_version)
    return version


def queries(windows: Sequence[tuple[float, float]]) -> list[Query]:
    vectors = np.random.default_rng(1).normal(size=(len(windows), EMBEDDING_DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [
        Query(embedding=vector, neutral_mass=mass, tolerance_da=tolerance)
        for vector, (mass, tolerance) in zip(vectors, windows, strict=True)
    ]


def most_similar_by_numpy(version: LibraryVersion, query: Query, k: int) -> tuple[list[int], int]:
    rows = MoleculeEmbedding.objects.filter(molecule__entries__version=version).select_related("molecule")
    inside = [row for row in rows if abs(row.molecule.exact_mass - query.neutral_mass) <= query.tolerance_da]
    vectors = np.array([row.vector for row in inside], dtype=np.float32).reshape(-1, EMBEDDING_DIM)
    similarity: Embedding = vectors @ query.embedding
    ids = np.array([row.molecule_id for row in inside], dtype=int)
    return ids[np.lexsort((ids, -similarity))][:k].tolist(), len(inside)


def test_window_and_order_agree_with_numpy(version: LibraryVersion, model_version: ModelVersion) -> None:
    searched = queries([(100.5, 0.2501), (102.0, 0.0049), (101.0, 5.0), (500.0, 1.0)])

    results = retrieve_from(version.pk, model_version.pk)(searched, 40)

    for query, result in zip(searched, results, strict=True):
        ids, n_in_window = most_similar_by_numpy(version, query, 40)
        assert [molecule.key for molecule in result.molecules] == ids
        assert result.n_in_window == n_in_window
        for molecule in result.molecules:
            assert molecule.embedding_similarity == pytest.approx(
                float(molecule.embedding @ query.embedding), abs=1e-6
            )
            stored = Molecule.objects.get(pk=molecule.key)
            assert molecule.fingerprint == bytes(stored.fingerprint)
            assert len(molecule.fingerprint) == 256
    assert [result.n_in_window for result in results] == [51, 1, 300, 0]


def test_ties_are_ordered_by_molecule(version: LibraryVersion, model_version: ModelVersion) -> None:
    same = [1.0] + [0.0] * (EMBEDDING_DIM - 1)
    MoleculeEmbedding.objects.update(vector=same)

    result = retrieve_from(version.pk, model_version.pk)(queries([(101.0, 0.5)]), 5)[0]

    keys = [molecule.key for molecule in result.molecules]
    assert keys == sorted(keys)
    assert (len(keys), result.n_in_window) == (5, 101)


@pytest.mark.django_db(transaction=True)  # an index cannot be built over rows of the same transaction
def test_a_vector_index_does_not_change_the_result(
    version: LibraryVersion, model_version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = queries([(101.0, 0.105)])
    before = retrieve_from(version.pk, model_version.pk)(searched, 40)[0]

    monkeypatch.setattr(vector_index, "WORTH_IT_FROM", 100)
    assert vector_index.build_missing() == model_version
    assert vector_index.build_missing() is None
    after = retrieve_from(version.pk, model_version.pk)(searched, 40)[0]

    assert [molecule.key for molecule in after.molecules] == [molecule.key for molecule in before.molecules]
    assert len(after.molecules) == 21


def test_a_window_that_lacks_a_vector_is_refused(
    version: LibraryVersion, model_version: ModelVersion
) -> None:
    MoleculeEmbedding.objects.filter(molecule__exact_mass=101.0).delete()

    assert retrieve_from(version.pk, model_version.pk)(queries([(102.0, 0.5)]), 5)[0].n_in_window == 101
    with pytest.raises(NotEmbedded, match="1 of 101"):
        retrieve_from(version.pk, model_version.pk)(queries([(102.0, 0.5), (101.0, 0.5)]), 5)


def test_other_versions_and_models_are_not_searched(
    version: LibraryVersion, model_version: ModelVersion
) -> None:
    other_model = make_model_version()
    other_version = make_library_version(model_version=model_version)

    with pytest.raises(NotEmbedded, match="300 of 300 molecules around 101"):
        retrieve_from(version.pk, other_model.pk)(queries([(101.0, 5.0)]), 40)
    assert retrieve_from(other_version.pk, model_version.pk)(queries([(101.0, 5.0)]), 40)[0].n_in_window == 0


def test_known_molecules_of_a_version_take_one_query(
    version: LibraryVersion, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    other = make_library_version()
    outside = other.entries.select_related("molecule")[0].molecule.inchikey_first_block
    with django_assert_num_queries(1):
        found = known_in(version.pk)(["TEST0000000007", outside, "NOSUCHMOLECULE"])
    assert found == {"TEST0000000007"}


BETAINE = "C[N+](C)(C)CC(=O)[O-]"
VALINE = "CC(C)C(N)C(=O)O"  # the formula of betaine, with no permanent cation


def test_zwitterions_come_from_a_second_window(model_version: ModelVersion) -> None:
    version = make_library_version([BETAINE, VALINE], model_version)
    by_smiles = {
        entry.molecule.smiles: entry.molecule for entry in version.entries.select_related("molecule")
    }
    mass = by_smiles[BETAINE].exact_mass
    [plain] = queries([(mass + 1.00783, 0.002)])
    both = [
        plain,
        Query(plain.embedding, mass + 1.00783, 0.002, zwitterion_mass=mass),
        Query(plain.embedding, mass, 0.002),
        Query(plain.embedding, mass + 1.0, 1.5, zwitterion_mass=mass),  # windows that overlap
    ]
    found = retrieve_from(version.pk, model_version.pk)(both, 40)

    smiles = [[molecule.smiles for molecule in result.molecules] for result in found]
    assert smiles[:2] == [[], [BETAINE]]
    assert sorted(smiles[2]) == sorted(smiles[3]) == sorted([BETAINE, VALINE])
    assert [result.n_in_window for result in found] == [0, 1, 2, 2]


def test_a_zwitterion_that_lacks_a_vector_is_refused(model_version: ModelVersion) -> None:
    version = make_library_version([BETAINE, VALINE], model_version)
    mass = Molecule.objects.get(smiles=BETAINE).exact_mass
    [plain] = queries([(mass + 1.00783, 0.002)])
    query = Query(plain.embedding, plain.neutral_mass, 0.002, zwitterion_mass=mass)
    MoleculeEmbedding.objects.filter(molecule__smiles=VALINE).delete()  # not searched, so not needed
    assert retrieve_from(version.pk, model_version.pk)([query], 5)[0].n_in_window == 1
    MoleculeEmbedding.objects.filter(molecule__smiles=BETAINE).delete()
    with pytest.raises(NotEmbedded, match="1 of 1"):
        retrieve_from(version.pk, model_version.pk)([query], 5)
