"""The spectra of an annotated feature: what each of them contributed to the answer.

`Annotation.members` holds a JSON object for each spectrum whose evidence counts, if there are several. Its
keys: spectrum (id), p_right, p_absent, top (molecule id), top_probability, code and reason (why the spectrum
was left out), and probabilities and evidence (by the rank of the candidate).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from annotation.libraries.models import Molecule
from annotation.results.channels import current_names
from annotation.results.models import Annotation
from annotation.results.view import MemberView
from annotation.results.view_fields import from_row
from annotation.spectra.models import FeatureMember
from models_ml.outcomes import MemberOutcome, RankedCandidate

# Most of the bytes of a spectrum.
RAW_DATA = ("spectrum__mz_bytes", "spectrum__intensity_bytes", "spectrum__metadata")


def members_to_json(
    members: Sequence[MemberOutcome], spectrum_ids: Sequence[int], candidates: Sequence[RankedCandidate]
) -> list[dict[str, Any]]:
    """As the column stores it. Empty for a single member, whose evidence is that of the candidates."""
    if len(members) < 2:
        return []
    ranks = {candidate.key: str(candidate.rank) for candidate in candidates}
    return [
        {
            "spectrum": spectrum_ids[member.index],
            "p_right": _rounded(member.p_right),
            "p_absent": _rounded(member.p_absent),
            "top": member.top_key,
            "top_probability": _rounded(member.top_probability),
            "code": member.failure.code if member.failure else "",
            "reason": member.failure.reason if member.failure else "",
            "probabilities": {ranks[key]: _rounded(value) for key, value in member.probabilities.items()},
            "evidence": {ranks[key]: finite(channels) for key, channels in member.evidence.items()},
        }
        for member in members
    ]


def finite(evidence: Mapping[str, float]) -> dict[str, float]:
    """Without channels that have no finite value, which JSON cannot hold."""
    return {name: float(value) for name, value in evidence.items() if math.isfinite(value)}


def member_evidence(annotation: Annotation, spectrum_id: int) -> dict[int, dict[str, float]]:
    """The evidence of one spectrum by the rank of the candidate. Empty if it is the only one. No query."""
    stored = next((member for member in annotation.members if member["spectrum"] == spectrum_id), None)
    if stored is None:
        return {}
    return {int(rank): current_names(channels) for rank, channels in stored["evidence"].items()}


def load_members(annotation: Annotation) -> tuple[MemberView, ...]:
    """All spectra of the feature, outliers included, in the order of the file. Two queries.

    Needs the annotation's item. A single spectrum has the probabilities of the annotation.
    """
    rows = FeatureMember.objects.filter(feature=annotation.item.feature_id).select_related("spectrum")
    rows = rows.defer(*RAW_DATA).order_by("spectrum__source_index")
    outcomes = {member["spectrum"]: member for member in annotation.members or [_only_member(annotation)]}
    keys = {outcome["top"] for outcome in outcomes.values()} - {None}
    molecules = Molecule.objects.only("smiles", "inchikey_first_block").in_bulk(keys)
    return tuple(_member_view(row, annotation, outcomes, molecules) for row in rows)


def _only_member(annotation: Annotation) -> dict[str, Any]:
    return {
        "spectrum": annotation.spectrum_id,
        "p_right": annotation.p_right,
        "top": annotation.top_molecule_id,
        "top_probability": annotation.p_right,
    }


def _member_view(
    row: FeatureMember,
    annotation: Annotation,
    outcomes: Mapping[int, Mapping[str, Any]],
    molecules: Mapping[int, Molecule],
) -> MemberView:
    outcome = outcomes.get(row.spectrum_id, {})
    top = molecules.get(outcome.get("top") or 0)
    return from_row(
        MemberView,
        row,
        is_representative=row.spectrum_id == annotation.spectrum_id,
        p_right=outcome.get("p_right"),
        top_smiles=top.smiles if top else "",
        top_inchikey_first_block=top.inchikey_first_block if top else "",
        top_probability=outcome.get("top_probability"),
        reason=outcome.get("reason", ""),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 6)
