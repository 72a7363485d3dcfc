"""Embedding in chunks: each molecule once, shared molecules not again, one worker at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
from django.db import connection

from annotation.jobs import embedding_queue
from annotation.libraries import embed, vector_index
from annotation.models import LibraryEmbedding, MoleculeEmbedding
from models_ml.outcomes import Embedding
from tests.annotation.builders import (
    EMBEDDING_DIM,
    SMILES,
    make_job,
    make_library_version,
    make_model_version,
)

pytestmark = pytest.mark.django_db


def fake_vectors(smiles: Sequence[str]) -> Embedding:
    vectors = np.zeros((len(smiles), EMBEDDING_DIM), np.float32)
    vectors[:, 0] = [len(text) for text in smiles]
    return vectors


def test_chunks_until_the_run_is_finished() -> None:
    version, model = make_library_version(), make_model_version()
    embed.request_embedding(version, model)
    done = []
    while run := embedding_queue.next_run():
        done.append(embed.embed_chunk(run, fake_vectors, limit=2))

    assert done == [2, 2, 1, 0]
    assert LibraryEmbedding.objects.get().finished_at is not None
    stored = {e.molecule.smiles: e.vector[0] for e in MoleculeEmbedding.objects.select_related("molecule")}
    assert stored == {smiles: len(smiles) for smiles in stored}
    assert len(stored) == len(SMILES)


def test_molecules_of_another_library_are_not_embedded_again() -> None:
    model = make_model_version()
    make_library_version(SMILES[:3], model_version=model)
    version = make_library_version(SMILES)

    run = embed.request_embedding(version, model)

    assert run.n_embedded == 3
    assert embed.embed_chunk(run, fake_vectors, limit=10) == 2


def test_the_run_that_a_job_waits_for_comes_first() -> None:
    model = make_model_version()
    embed.request_embedding(make_library_version(), model)
    wanted = make_library_version()
    make_job(model_version=model, library_version=wanted)
    embed.request_embedding(wanted, model)

    run = embedding_queue.next_run()

    assert run is not None
    assert run.version == wanted


def test_a_chunk_that_fails_is_embedded_again() -> None:
    run = embed.request_embedding(make_library_version(), make_model_version())

    def fail(_: Sequence[str]) -> Embedding:
        raise MemoryError

    with pytest.raises(MemoryError):
        embed.embed_chunk(run, fail, limit=10)

    assert not MoleculeEmbedding.objects.exists()
    assert embed.embed_chunk(run, fake_vectors, limit=10) == len(SMILES)


@pytest.mark.django_db(transaction=True)
def test_a_second_worker_does_not_embed_the_same_run() -> None:
    run = embed.request_embedding(make_library_version(), make_model_version())
    inside, seen = Event(), Event()

    def slow_vectors(smiles: Sequence[str]) -> Embedding:
        inside.set()
        assert seen.wait(timeout=30)
        return fake_vectors(smiles)

    def first() -> int | None:
        try:
            return embed.embed_chunk(run, slow_vectors, limit=10)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(first)
        assert inside.wait(timeout=30)
        assert embed.embed_chunk(run, fake_vectors, limit=10) is None
        seen.set()
        assert future.result() == len(SMILES)
    assert LibraryEmbedding.objects.get().n_embedded == len(SMILES)


@pytest.mark.django_db(transaction=True)
def test_the_index_waits_until_no_library_is_being_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_index, "WORTH_IT_FROM", 1)
    model = make_model_version()
    run = embed.request_embedding(make_library_version(), model)
    embed.embed_chunk(run, fake_vectors, limit=3)

    assert vector_index.build_missing() is None

    while unfinished := embedding_queue.next_run():
        embed.embed_chunk(unfinished, fake_vectors, limit=10)
    try:
        assert vector_index.build_missing() == model
        assert vector_index.build_missing() is None
    finally:
        vector_index.drop(model.pk)
