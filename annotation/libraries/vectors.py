"""Embeddings to and from PostgreSQL in the formats of pgvector, without conversion to Python floats."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from django.db import connection

from models_ml.outcomes import Embedding

_HEADER = struct.Struct(">HH")  # dimensions, unused


def to_text(vector: Embedding) -> str:
    """For a query parameter."""
    return "[" + ",".join(map(str, vector.tolist())) + "]"


def to_binary(vector: Embedding) -> bytes:
    """For a binary COPY."""
    return _HEADER.pack(vector.shape[0], 0) + vector.astype(">f4").tobytes()


def from_binary(data: bytes) -> Embedding:
    """From a column of a binary cursor."""
    return np.frombuffer(data, dtype=">f4", offset=_HEADER.size).astype(np.float32)


def store(model_version_id: int, molecule_ids: Sequence[int], vectors: Embedding) -> None:
    """Store embeddings (B, D) of molecules. Existing ones do not change. Needs a transaction."""
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS embedding_in (molecule_id bigint, vector vector)"
            " ON COMMIT DELETE ROWS"
        )
        with cursor.copy("COPY embedding_in FROM STDIN (FORMAT binary)") as copy:
            # A binary field is sent as bytes, which the server reads as the type of the column.
            copy.set_types(["int8", "bytea"])
            for molecule_id, vector in zip(molecule_ids, vectors, strict=True):
                copy.write_row((molecule_id, to_binary(vector)))
        cursor.execute(
            "INSERT INTO annotation_moleculeembedding (molecule_id, model_version_id, vector)"
            " SELECT molecule_id, %s, vector FROM embedding_in ON CONFLICT DO NOTHING",
            [model_version_id],
        )
        cursor.execute("TRUNCATE embedding_in")
