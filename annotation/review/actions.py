"""What a curator does to an annotation: add a verdict, under a lock, with the list as it was shown.

Refuses a verdict from someone who has not seen the latest one, and levels without their evidence.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from annotation.accounts.models import Role
from annotation.accounts.roles import may
from annotation.jobs.models import Job
from annotation.results.models import Annotation, Candidate
from annotation.review.models import Verdict
from annotation.review.rules import InvalidVerdict, Proposal, checked

if TYPE_CHECKING:
    from django.contrib.auth.models import User

__all__ = ["InvalidVerdict", "StaleReview", "decide", "latest_verdicts"]


class StaleReview(Exception):
    """Someone decided in between; `current` is the verdict that the caller has not seen."""

    def __init__(self, current: Verdict | None) -> None:
        what = "The verdict that you saw is not this annotation's latest one"
        if current is not None:
            when = f"{current.decided_at:%Y-%m-%d %H:%M} UTC"
            what = f"Since you looked, {current.decided_by} decided {current.decision!r} ({when})"
        super().__init__(f"{what}. Look at the annotation again, then decide.")
        self.current = current


@transaction.atomic
def decide(
    *,
    annotation: Annotation,
    user: User,
    decision: str,
    level: str = "",
    candidate: Candidate | None = None,
    proposed_smiles: str = "",
    reason: str = "",
    comment: str = "",
    as_reference: bool = False,
    seen_verdict_id: int | None,
) -> Verdict:
    """Add a verdict. `seen_verdict_id` is the latest one that the curator saw, None for none.

    Raises PermissionDenied, `StaleReview`, or `InvalidVerdict` with an error for each field.
    """
    # The row is locked so that of two curators who press at once one is told about the other.
    locked = (
        Annotation.objects.select_for_update(of=("self",))
        .select_related("job__project")
        .get(pk=annotation.pk)
    )
    if not may(user, locked.job.project, Role.CURATOR):
        raise PermissionDenied(
            f"Verdicts in {locked.job.project} need the role of a curator. Ask its manager."
        )
    current = latest_verdicts([locked.pk]).get(locked.pk)
    if (current.pk if current else None) != seen_verdict_id:
        raise StaleReview(current)
    candidates = list(locked.candidates.select_related("molecule").order_by("rank"))
    proposal = checked(
        Proposal(decision, level, candidate, proposed_smiles, reason, comment, as_reference),
        locked,
        candidates,
    )
    verdict = Verdict.objects.create(
        annotation=locked,
        decision=proposal.decision,
        candidate=proposal.candidate,
        proposed_smiles=proposal.proposed_smiles,
        level=proposal.level,
        reason=proposal.reason,
        comment=proposal.comment,
        as_reference=proposal.as_reference,
        decided_by=user,
        shown=_as_shown(locked, candidates),
    )
    # A client that polls for changed jobs must learn of verdicts too.
    Job.objects.filter(pk=locked.job_id).update(updated_at=timezone.now())
    return verdict


def latest_verdicts(annotation_ids: Collection[int]) -> dict[int, Verdict]:
    """The current verdict of each annotation that has one. One query."""
    verdicts = (
        Verdict.objects.filter(annotation_id__in=annotation_ids)
        .select_related("decided_by", "candidate__molecule")
        .order_by("annotation_id", "-id")
        .distinct("annotation_id")
    )
    return {verdict.annotation_id: verdict for verdict in verdicts}


def _as_shown(annotation: Annotation, candidates: list[Candidate]) -> dict[str, Any]:
    return {
        "job": str(annotation.job.public_id),
        "adduct": annotation.adduct,
        "adduct_assumed": annotation.adduct_assumed,
        "proposed_level": annotation.proposed_level,
        "method": annotation.method,
        "p_right": annotation.p_right,
        "p_close": annotation.p_close,
        "p_absent": annotation.p_absent,
        "abstains": annotation.abstains,
        "candidates": [
            {
                "rank": candidate.rank,
                "inchikey_first_block": candidate.molecule.inchikey_first_block,
                "smiles": candidate.molecule.smiles,
                "formula": candidate.molecule.formula,
                "mass_error_ppm": candidate.mass_error_ppm,
                "retrieval_rank": candidate.retrieval_rank,
                "embedding_similarity": candidate.embedding_similarity,
                "generated_similarity": candidate.generated_similarity,
                "probability": candidate.probability,
                "evidence": candidate.evidence,
            }
            for candidate in candidates
        ],
        "generated": list(
            annotation.generated.order_by("beam_rank").values(
                "beam_rank", "smiles", "text", "log_likelihood", "is_proposed"
            )
        ),
    }
