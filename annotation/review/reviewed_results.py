"""Results together with their latest verdicts: what exports and REST lists show."""

from __future__ import annotations

from collections.abc import Sequence

from annotation.jobs.models import Job, JobItem
from annotation.results.load import load_results
from annotation.results.view import ResultView, VerdictView
from annotation.results.view_fields import from_row
from annotation.review.models import Verdict


def reviewed_results(
    job: Job, items: Sequence[JobItem], *, top: int | None = None, with_ties: bool = False
) -> list[ResultView]:
    """The results of these items, with at most `top` candidates each. Four queries.

    With `with_ties`, candidates whose score equals that of rank `top` are included.

    The items come from `items_with_results`, in any order; the results are in the same order.
    """
    ids = [item.annotation.pk for item in items if hasattr(item, "annotation")]
    latest = Verdict.objects.latest_of(ids)
    verdicts = {pk: verdict_view(row) for pk, row in latest.items()}
    return load_results(job, items, top=top, with_ties=with_ties, verdicts=verdicts)


def verdict_view(verdict: Verdict) -> VerdictView:
    """No query if the verdict comes from `with_decision`."""
    return from_row(VerdictView, verdict)
