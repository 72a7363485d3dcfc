"""What a curator does to an annotation: add a verdict, under a lock, with the list as it was shown.

Refuses a verdict from a curator who has not seen the latest one, and levels without their evidence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from annotation.accounts.models import Role
from annotation.accounts.roles import may
from annotation.jobs.models import Job
from annotation.results.models import Annotation, Candidate
from annotation.review.models import Verdict
from annotation.review.rules import InvalidVerdict, Proposal, validate
from annotation.review.snapshot import snapshot
from annotation.webhooks import outbox
from annotation.webhooks.models import EventKind
from annotation.webhooks.outbox import Happened

if TYPE_CHECKING:
    from django.contrib.auth.models import User

__all__ = ["InvalidVerdict", "StaleReview", "decide"]


class StaleReview(Exception):
    """The curator has not seen the latest verdict. `current` is that verdict, None if there is none."""

    def __init__(self, current: Verdict | None) -> None:
        cause = "The verdict that you saw is not the latest one"
        if current is not None:
            time = f"{current.decided_at:%Y-%m-%d %H:%M} UTC"
            cause = f"{current.decided_by} added the verdict {current.decision!r} after you looked ({time})"
        super().__init__(f"{cause}. Look at the annotation again, then decide.")
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
    """Add a verdict. `seen_verdict_id` is the latest verdict that the curator saw, None for none.

    Raises PermissionDenied, `StaleReview`, or `InvalidVerdict` with an error for each field.
    """
    locked = _locked(annotation, user, seen_verdict_id)
    candidates = list(locked.candidates.select_related("molecule").order_by("rank"))
    proposal = validate(
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
        shown=snapshot(locked, candidates),
    )
    # Clients that poll for changed jobs must notice verdicts too.
    Job.objects.filter(pk=locked.job_id).update(updated_at=timezone.now())
    outbox.emit(EventKind.VERDICT_MADE, map(_event, [verdict]))
    return verdict


def _event(verdict: Verdict) -> Happened:
    annotation = verdict.annotation
    job, chosen = annotation.job, verdict.candidate
    data = {
        "annotation_id": str(annotation.public_id),
        "url": outbox.page_address(f"api/v1/annotations/{annotation.public_id}"),
        "job_id": str(job.public_id),
        "job_external_id": job.external_id,
        "external_id": annotation.spectrum.external_id,
        "decision": str(verdict.decision),
        "level": str(verdict.level),
        "inchikey_first_block": chosen.molecule.inchikey_first_block if chosen else None,
        "decided_by": verdict.decided_by.get_username(),
        "decided_at": verdict.decided_at.isoformat(),
    }
    return Happened(job.project_id, data)


def _locked(annotation: Annotation, user: User, seen_verdict_id: int | None) -> Annotation:
    """The annotation with its row locked, so that of two curators at the same time the second is refused."""
    rows = Annotation.objects.select_for_update(of=("self",)).select_related("job__project")
    locked = rows.get(pk=annotation.pk)
    if not may(user, locked.job.project, Role.CURATOR):
        raise PermissionDenied(
            f"Only curators of {locked.job.project} can add verdicts. Ask its manager for the role."
        )
    current = Verdict.objects.latest_of([locked.pk]).get(locked.pk)
    if (current.pk if current else None) != seen_verdict_id:
        raise StaleReview(current)
    return locked
