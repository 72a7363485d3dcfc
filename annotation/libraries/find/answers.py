"""The molecules that answer a question, by pages. SQL decides all but substructures.

Every answer is in the order of a number and the ID of the molecule, smallest first, so that a page begins
behind the last molecule of the page before it, whatever is added in the meantime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from annotation.libraries.bounded_search import bounded, search_slot
from annotation.libraries.find.questions import (
    FormulaQuestion,
    InchikeyQuestion,
    InvalidSearch,
    MassQuestion,
    NameQuestion,
    Question,
    SimilarityQuestion,
    StructureQuestion,
    SubstructureQuestion,
)
from models_ml.isolation import IsolationError
from models_ml.molecules.formula import stored_formulas
from models_ml.molecules.substructure import match_in_order

# The two steps of a page of a search for a substructure: the molecules that each examines, and its limits.
FIRST_EXAMINED, MAX_EXAMINED = 1_000, 20_000
WALL_S, CPU_S = 3.0, 3
_WAIT_S = 3.0
TOO_COMPLEX = f"The search found nothing within {WALL_S:g} s and was stopped. Use a simpler SMARTS."
STOPPED = "The search pauses here, because it takes long. The next page continues it."


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the order of an answer: the number that sorts, and the ID of the molecule."""

    key: float
    molecule_id: int


START = Place(-1.0, 0)


@dataclass(frozen=True, slots=True)
class Answer:
    """`places` in their order. `following`: where the next page begins; None at the end."""

    places: list[Place]
    following: Place | None
    note: str = ""


# The place of a name: the name itself, then names that begin with the text, then others; short ones first.
# Words of one letter are whole words: half of all names have a word that begins with any letter. No name is
# longer than 500 characters, and PostgreSQL refuses words of more than 2,046 bytes.
_NAME = """
SELECT molecule_id, min(place)::float8 AS key FROM (
    SELECT molecule_id,
        CASE WHEN lower = %(text)s THEN 0 WHEN starts_with(lower, %(text)s) THEN 1000 ELSE 2000 END
            + length(lower) AS place
    FROM (
        SELECT molecule_id, lower(name) AS lower FROM annotation_libraryentry
        WHERE version_id = ANY(%(versions)s) AND annotation_name_words(name, source_id) @@ (
            SELECT string_agg(
                quote_literal(left(word, 500)) || CASE WHEN length(word) > 1 THEN ':*' ELSE '' END, ' & '
            )::tsquery
            FROM regexp_split_to_table(lower(%(text)s), '[^[:alnum:]]+') AS word WHERE word <> ''
        )
    ) AS entry
) AS named GROUP BY molecule_id
"""
_FORMULA = """
SELECT id AS molecule_id, 0::float8 AS key FROM annotation_molecule WHERE formula = ANY(%(formulas)s)
"""
_INCHIKEY = """
SELECT id AS molecule_id, 0::float8 AS key FROM annotation_molecule WHERE inchikey_first_block = %(block)s
"""
_MASS = """
SELECT id AS molecule_id, abs(exact_mass - %(mass)s) AS key FROM annotation_molecule
WHERE exact_mass BETWEEN %(mass)s - %(tolerance)s AND %(mass)s + %(tolerance)s
"""
# The whole table is compared, which is exact. An HNSW index is not (DECISIONS.md, 2026-11-27).
_SIMILARITY = """
SELECT molecule_id, bits <%%> %(bits)s::bit({n_bits}) AS key FROM annotation_moleculebits
WHERE bits <%%> %(bits)s::bit({n_bits}) <= %(distance)s
"""
# LATERAL with LIMIT looks up the few that are left, where a join would read all entries.
_VISIBLE = """
CROSS JOIN LATERAL (
    SELECT FROM annotation_libraryentry AS entry
    WHERE entry.molecule_id = {molecule} AND entry.version_id = ANY(%(versions)s) LIMIT 1
) AS visible
"""
_PAGE = """
WITH matches AS MATERIALIZED ({matches})
SELECT behind.key, behind.molecule_id FROM (
    SELECT key, molecule_id FROM matches
    WHERE (key, molecule_id) > (%(key)s, %(molecule_id)s) ORDER BY key, molecule_id
) AS behind
{visible}
ORDER BY behind.key, behind.molecule_id LIMIT %(limit)s
"""
# The bits of the pattern are a subset of those of every molecule that has it. Molecules without a stored
# pattern pass.
_SCREENED = """
SELECT molecule.exact_mass, molecule.id FROM annotation_molecule AS molecule
LEFT JOIN annotation_moleculepattern AS pattern ON pattern.molecule_id = molecule.id
{visible}
WHERE (pattern.bits IS NULL OR pattern.bits & %(bits)s::bit({n_bits}) = %(bits)s::bit({n_bits}))
    AND (molecule.exact_mass, molecule.id) > (%(key)s, %(molecule_id)s)
ORDER BY molecule.exact_mass, molecule.id LIMIT %(limit)s
"""
_STRUCTURES = """
SELECT molecule.id, pattern.structure, CASE WHEN pattern.structure IS NULL THEN molecule.smiles ELSE '' END
FROM annotation_molecule AS molecule
LEFT JOIN annotation_moleculepattern AS pattern ON pattern.molecule_id = molecule.id
WHERE molecule.id = ANY(%s)
"""


def answer(question: Question, version_ids: Sequence[int], after: Place, limit: int) -> Answer:
    """At most `limit` molecules of these library versions behind the place `after`.

    One query; for a substructure up to four and two searches in child processes. Raises InvalidSearch for a
    search that exceeds its limits, and SearchBusy.
    """
    if isinstance(question, SubstructureQuestion):
        return _with_substructure(question, version_ids, after, limit)
    matches, parameters = _matches(question)
    # Names are looked up in the entries of these versions already.
    visible = "" if isinstance(question, NameQuestion) else _VISIBLE.format(molecule="behind.molecule_id")
    places = _places(
        _PAGE.format(matches=matches, visible=visible),
        parameters | _page_parameters(version_ids, after, limit + 1),
    )
    shown = places[:limit]
    return Answer(shown, shown[-1] if len(places) > limit else None)


def _matches(question: Question) -> tuple[str, dict[str, Any]]:
    """SQL of all matches, with their keys, and its parameters."""
    match question:
        case NameQuestion(text):
            return _NAME, {"text": text.lower()}
        case FormulaQuestion(formula):
            return _FORMULA, {"formulas": stored_formulas(formula)}
        case InchikeyQuestion(block):
            return _INCHIKEY, {"block": block}
        case StructureQuestion(molecule):
            return _INCHIKEY, {"block": molecule.inchikey_first_block}
        case MassQuestion():
            return _MASS, {"mass": question.mass, "tolerance": question.tolerance_da}
        case SimilarityQuestion(molecule, at_least):
            bits = "".join(f"{byte:08b}" for byte in molecule.fingerprint)
            # A float may lie just above the limit that it equals.
            return _SIMILARITY.format(n_bits=len(bits)), {"bits": bits, "distance": 1 - at_least + 1e-9}
        case SubstructureQuestion():
            raise TypeError("A substructure is no question for SQL alone.")


def _with_substructure(
    question: SubstructureQuestion, version_ids: Sequence[int], after: Place, limit: int
) -> Answer:
    """Common patterns fill the page from the first few molecules; rare ones need many more."""
    found: list[Place] = []
    reached = after
    for n_at_once in (FIRST_EXAMINED, MAX_EXAMINED):
        screened = _screened(question, version_ids, reached, n_at_once)
        n_examined = _examine(question.smarts, screened, limit + 1 - len(found), found)
        if len(found) > limit:
            return Answer(found[:limit], found[limit - 1])
        if n_examined < len(screened):  # the time is over
            break
        if len(screened) < n_at_once:
            return Answer(found, None)
        reached = screened[-1]
    if n_examined:
        reached = screened[n_examined - 1]
    if reached == after:
        raise InvalidSearch({"q": [TOO_COMPLEX]})
    return Answer(found, reached, STOPPED)


def _screened(
    question: SubstructureQuestion, version_ids: Sequence[int], after: Place, limit: int
) -> list[Place]:
    """The molecules that the fingerprint leaves, lightest first. One query."""
    visible = _VISIBLE.format(molecule="molecule.id")
    parameters = _page_parameters(version_ids, after, limit) | {"bits": question.bits}
    return _places(_SCREENED.format(visible=visible, n_bits=len(question.bits)), parameters)


def _examine(smarts: str, screened: Sequence[Place], limit: int, found: list[Place]) -> int:
    """Add up to `limit` molecules with the substructure to `found`. Returns how many it examined in time."""
    if not screened:
        return 0
    place_by_id = {place.molecule_id: place for place in screened}
    with connection.cursor() as cursor:
        cursor.execute(_STRUCTURES, [list(place_by_id)])
        by_id = {pk: (pk, bytes(structure or b""), smiles) for pk, structure, smiles in cursor.fetchall()}
    rows = [by_id[place.molecule_id] for place in screened]
    n_examined = 0
    try:
        with search_slot(_WAIT_S):
            parts = bounded(match_in_order, smarts, rows, limit, wall_s=WALL_S, cpu_s=CPU_S)
            for number, ids in parts:
                n_examined = number
                found.extend(place_by_id[pk] for pk in ids)
    except IsolationError as error:
        if error.kind not in ("time", "memory"):
            raise
    return n_examined


def _page_parameters(version_ids: Sequence[int], after: Place, limit: int) -> dict[str, Any]:
    return {
        "versions": list(version_ids), "key": after.key, "molecule_id": after.molecule_id, "limit": limit
    }  # fmt: skip


def _places(sql: str, parameters: dict[str, Any]) -> list[Place]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [Place(key, pk) for key, pk in cursor.fetchall()]
