"""The rank-1 molecules of a job with a substructure, searched in a child process and remembered for a while.

A table asks the same question for each page, each neighbour and each export, and only the first one searches.
"""

from __future__ import annotations

from array import array

from django.db import connection

from annotation.jobs.models import Job
from annotation.libraries.bounded_search import bounded, search_slot
from annotation.tables.filter_form import InvalidFilter
from annotation.tables.recent import RecentAnswers
from models_ml.isolation import IsolationError
from models_ml.molecules.substructure import InvalidPattern, match_structures, read_bits

# 50,000 molecules take about two seconds for the most common patterns, and those without a stored pattern
# three times as long. A recursive pattern can take for ever.
WALL_S = 20.0
CPU_S = 20
# Answers that are remembered; each has at most 8 bytes for each rank-1 molecule of the job.
MAX_REMEMBERED = 64
TOO_COMPLEX = (
    "The search took longer than {limit} s and was stopped. Use a simpler SMARTS, or narrow the filter with "
    "a range of m/z first."
)

# The bits of the pattern are a subset of those of every molecule that has it. Molecules without a stored
# pattern pass.
_SCREENED = """
SELECT molecule.id, pattern.structure, CASE WHEN pattern.structure IS NULL THEN molecule.smiles ELSE '' END
FROM (SELECT DISTINCT top_molecule_id FROM annotation_annotation WHERE job_id = %s) AS top
JOIN annotation_molecule AS molecule ON molecule.id = top.top_molecule_id
LEFT JOIN annotation_moleculepattern AS pattern ON pattern.molecule_id = molecule.id
WHERE pattern.bits IS NULL OR pattern.bits & %s::bit({n_bits}) = %s::bit({n_bits})
"""
_N_ANSWERS = """
SELECT count(*) FROM annotation_annotation WHERE job_id = %s
"""

_memory: RecentAnswers[tuple[int, int, str], array[int]] = RecentAnswers(MAX_REMEMBERED)


def molecules_with(smarts: str, job: Job) -> list[int]:
    """Ids of the rank-1 molecules of the job that have the substructure.

    Two queries and a search; one query if the answer is remembered. Raises InvalidFilter for a text that is
    no SMARTS, and for a search that exceeds its limits.
    """
    # Annotations are never changed or deleted, so their number says whether the answer is still right.
    with connection.cursor() as cursor:
        cursor.execute(_N_ANSWERS, [job.pk])
        key = (job.pk, cursor.fetchone()[0], smarts)
    known = _memory.get(key)
    if known is None:
        known = array("q", _search(smarts, job))
        _memory.put(key, known)
    return known.tolist()


def _search(smarts: str, job: Job) -> list[int]:
    try:
        bits = _bits(smarts)
        with search_slot():
            rows = _screened(job, bits)
            parts = bounded(match_structures, smarts, rows, wall_s=WALL_S, cpu_s=CPU_S)
            return [pk for part in parts for pk in part]
    except InvalidPattern as error:
        raise InvalidFilter({"smarts": [str(error)]}) from None
    except IsolationError as error:
        if error.kind in ("time", "memory"):
            raise InvalidFilter({"smarts": [TOO_COMPLEX.format(limit=round(WALL_S))]}) from error
        raise


def _bits(smarts: str) -> str:
    (bits,) = bounded(read_bits, smarts, wall_s=WALL_S, cpu_s=CPU_S)
    return bits


def _screened(job: Job, bits: str) -> list[tuple[int, bytes, str]]:
    """The rank-1 molecules that the fingerprint leaves, as `match_structures` takes them. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_SCREENED.format(n_bits=len(bits)), [job.pk, bits, bits])
        return [(pk, bytes(structure or b""), smiles) for pk, structure, smiles in cursor.fetchall()]
