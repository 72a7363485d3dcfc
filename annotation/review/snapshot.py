"""The snapshot in a verdict: the annotation and its lists as the curator saw them.

Snapshots are stored and never change. A new field of the views enters new snapshots by itself. The fields
that are left out here have never been part of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from annotation.results.load import annotation_view
from annotation.results.models import Annotation, Candidate
from annotation.results.view import CandidateView, FormulaView, GeneratedView
from annotation.results.view_fields import as_dict, from_row

ANNOTATION_LEAVES_OUT = frozenset(
    {
        "id", "neutral_mass", "n_in_window", "n_candidates", "margin", "candidates", "formulas", "generated",
        "proposed_smiles", "verdict", "run", "best_formula", "formula_note", "best_formula_probability",
    }
)  # fmt: skip
CANDIDATE_LEAVES_OUT = frozenset({"name", "exact_mass"})
GENERATED_LEAVES_OUT = frozenset(
    {"inchikey_first_block", "formula", "exact_mass", "mass_error_ppm", "in_library"}
)


def snapshot(annotation: Annotation, candidates: Iterable[Candidate]) -> dict[str, Any]:
    """As JSON values. Two queries; the candidates have their molecules loaded."""
    view = annotation_view(
        annotation,
        # The name is left out below, so no query looks it up.
        [from_row(CandidateView, candidate, name="") for candidate in candidates],
        [from_row(GeneratedView, molecule) for molecule in annotation.generated.order_by("beam_rank")],
        [from_row(FormulaView, row) for row in annotation.formulas.order_by("rank")],
    )
    return {
        "job": str(annotation.job.public_id),
        **as_dict(view, ANNOTATION_LEAVES_OUT),
        "formulas": [as_dict(formula) for formula in view.formulas],
        "candidates": [as_dict(candidate, CANDIDATE_LEAVES_OUT) for candidate in view.candidates],
        "generated": [as_dict(molecule, GENERATED_LEAVES_OUT) for molecule in view.generated],
    }
