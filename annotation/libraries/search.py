"""Pre-retrieval: the molecules of a library version in a precursor window, most similar to a spectrum first.

A B-tree finds the window and the similarity is exact. The search never uses a vector index, because such an
index filters after its scan and silently returns too few molecules for a narrow window. For the same reason a
window is refused while one of its molecules has no vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

import psycopg
from django.db import connection

from annotation.libraries.models import LibraryEntry
from annotation.libraries.vectors import from_binary, to_text
from models_ml.outcomes import FindKnown, Query, Retrieve, Retrieved, RetrievedMolecule
from models_ml.spectra.zwitterions import is_zwitterion

# MATERIALIZED stops the planner from turning the ORDER BY into a vector index scan.
# Vectors have unit length, so the negative inner product gives the order of the cosine at a lower cost.
_NEAREST = """
WITH query AS (
    SELECT * FROM unnest(%(vectors)s::text[]::vector[], %(lowest)s::float8[], %(highest)s::float8[]
                         {columns})
        WITH ORDINALITY AS q (vector, lowest, highest {names}, number)
)
SELECT query.number, nearest.n_in_window, nearest.n_embedded, molecule.id, molecule.smiles,
       molecule.inchikey_first_block, molecule.formula, molecule.exact_mass, molecule.fingerprint,
       nearest.vector, nearest.similarity
FROM query CROSS JOIN LATERAL (
    WITH in_window AS MATERIALIZED (
        SELECT entry.molecule_id, embedding.vector
        FROM annotation_libraryentry entry
        LEFT JOIN annotation_moleculeembedding embedding
          ON embedding.molecule_id = entry.molecule_id AND embedding.model_version_id = %(model_version)s
        WHERE entry.version_id = %(library_version)s
          AND entry.exact_mass BETWEEN query.lowest AND query.highest
        {second}
    )
    SELECT molecule_id, vector, -(in_window.vector <#> query.vector) AS similarity,
           count(*) OVER () AS n_in_window, count(in_window.vector) OVER () AS n_embedded
    FROM in_window ORDER BY similarity DESC, molecule_id LIMIT %(k)s
) nearest
JOIN annotation_molecule molecule ON molecule.id = nearest.molecule_id
ORDER BY query.number, nearest.similarity DESC, molecule.id
"""
_ONE_WINDOW = _NEAREST.format(columns="", names="", second="")
# Where spectra of the batch have a second window. Its molecules are known by then.
_TWO_WINDOWS = _NEAREST.format(
    columns=", %(second_lowest)s::float8[], %(second_highest)s::float8[]",
    names=", second_lowest, second_highest",
    second="""
        UNION ALL
        SELECT entry.molecule_id, embedding.vector
        FROM annotation_libraryentry entry
        LEFT JOIN annotation_moleculeembedding embedding
          ON embedding.molecule_id = entry.molecule_id AND embedding.model_version_id = %(model_version)s
        WHERE entry.version_id = %(library_version)s AND entry.molecule_id = ANY(%(zwitterions)s)
          AND entry.exact_mass BETWEEN query.second_lowest AND query.second_highest
          AND entry.exact_mass NOT BETWEEN query.lowest AND query.highest
    """,
)
# The text narrows the choice to a few molecules of a window. `is_zwitterion` decides.
_CHARGED = """
SELECT DISTINCT molecule.id, molecule.smiles
FROM unnest(%(second_lowest)s::float8[], %(second_highest)s::float8[]) AS query (lowest, highest)
JOIN annotation_libraryentry entry
  ON entry.version_id = %(library_version)s AND entry.exact_mass BETWEEN query.lowest AND query.highest
JOIN annotation_molecule molecule ON molecule.id = entry.molecule_id
WHERE molecule.smiles LIKE '%%+]%%' AND molecule.smiles LIKE '%%-]%%'
"""


class NotEmbedded(Exception):
    """A window contains molecules without a vector for the model, which the result would silently lack."""


def retrieve_from(library_version_id: int, model_version_id: int) -> Retrieve:
    """The `retrieve` of `annotate` for one library version and the embeddings of one model version."""
    return partial(_nearest, library_version_id, model_version_id)


def known_in(library_version_id: int) -> FindKnown:
    """The `find_known` of `annotate`: which structures a library version contains. One query per call."""

    def find(blocks: Sequence[str]) -> set[str]:
        entries = LibraryEntry.objects.filter(
            version=library_version_id, molecule__inchikey_first_block__in=blocks
        )
        return set(entries.values_list("molecule__inchikey_first_block", flat=True))

    return find


def _nearest(
    library_version_id: int, model_version_id: int, queries: Sequence[Query], k: int
) -> Sequence[Retrieved]:
    """One result per query, in their order. Raises NotEmbedded.

    One statement, and one more if a query also looks for zwitterions.
    """
    parameters: dict[str, object] = {
        "vectors": [to_text(query.embedding) for query in queries],
        "lowest": [query.neutral_mass - query.tolerance_da for query in queries],
        "highest": [query.neutral_mass + query.tolerance_da for query in queries],
        "model_version": model_version_id,
        "library_version": library_version_id,
        "k": k,
    }
    connection.ensure_connection()
    # Binary results, which Django's cursors do not offer: reading 2,500 vectors as text takes longer than
    # finding them. Not prepared, so that each batch is planned for its own windows.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        statement = _ONE_WINDOW
        if any(query.zwitterion_mass is not None for query in queries):
            statement = _TWO_WINDOWS
            parameters |= _second_windows(queries)
            charged = cursor.execute(_CHARGED, parameters, prepare=False).fetchall()
            parameters["zwitterions"] = [key for key, smiles in charged if is_zwitterion(smiles)]
        rows = cursor.execute(statement, parameters, prepare=False, binary=True).fetchall()
    results = [Retrieved(molecules=(), n_in_window=0)] * len(queries)
    for number, group in groupby(rows, key=itemgetter(0)):
        rows_of_query = list(group)
        _, n_in_window, n_embedded, *_ = rows_of_query[0]
        if n_embedded < n_in_window:
            raise NotEmbedded(
                f"{n_in_window - n_embedded} of {n_in_window} molecules around "
                f"{queries[number - 1].neutral_mass:.4f} Da are not embedded yet. Retry when the library is."
            )
        results[number - 1] = Retrieved(tuple(map(_molecule, rows_of_query)), n_in_window=n_in_window)
    return results


def _second_windows(queries: Sequence[Query]) -> dict[str, object]:
    """Ends of the windows for zwitterions, with NULL where a query has none."""
    windows = [(query.zwitterion_mass, query.tolerance_da) for query in queries]
    return {
        "second_lowest": [None if mass is None else mass - tolerance for mass, tolerance in windows],
        "second_highest": [None if mass is None else mass + tolerance for mass, tolerance in windows],
    }


def _molecule(row: tuple[Any, ...]) -> RetrievedMolecule:
    _, _, _, key, smiles, first_block, formula, exact_mass, fingerprint, vector, similarity = row
    return RetrievedMolecule(
        key=key,
        smiles=smiles,
        inchikey_first_block=first_block,
        formula=formula,
        exact_mass=exact_mass,
        embedding=from_binary(vector),
        embedding_similarity=similarity,
        fingerprint=fingerprint,
    )
