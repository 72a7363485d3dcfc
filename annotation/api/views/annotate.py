"""Annotate one spectrum and wait for the answer, for a few seconds."""

from __future__ import annotations

import threading
import time

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api import openapi, problems, submission
from annotation.api.access import projects
from annotation.api.serializers.jobs import ResultFilters, SubmittedJobSerializer
from annotation.api.serializers.results import ResultSerializer
from annotation.api.serializers.submissions import AnnotateInputSerializer
from annotation.api.views.base import View, idempotent
from annotation.api.views.jobs import accepted
from annotation.jobs.models import Job
from annotation.results.load import items_with_results
from annotation.review.reviewed_results import reviewed_results

LONGEST_WAIT_S = 4.0  # with what comes before and after, the answer takes less than five seconds
_LOOK_EACH_S = 0.1
# A thread that waits serves nobody else, so at most a quarter of the threads wait. Others answer 202 at once.
_may_wait = threading.BoundedSemaphore(max(1, settings.GLMR_WEB_THREADS // 4))


class AnnotateView(View):
    @extend_schema(
        operation_id="annotate_spectrum",
        parameters=[ResultFilters, openapi.idempotency_key(required=True)],
        request={"application/json": AnnotateInputSerializer},
        responses={
            200: ResultSerializer,
            202: openapi.accepted(SubmittedJobSerializer),
            **openapi.SUBMIT_PROBLEMS,
        },
    )
    def post(self, request: Request) -> Response:
        """Annotate one spectrum. The answer is the result, or after 5 seconds the job that goes on.

        The job is in `Location` either way. The same request with the same key gets its result later.
        """
        filters = ResultFilters(data=request.query_params)
        filters.is_valid(raise_exception=True)
        submitted = self._submit(request)
        if submitted.status_code != 202:
            return submitted
        job = Job.objects.in_projects(projects(request)).get(public_id=submitted.data["id"])
        if not _ends_soon(job):
            return submitted
        (result,) = reviewed_results(job, list(items_with_results(job)), top=filters.validated_data["top"])
        data = ResultSerializer(result, context={"request": request}).data
        kept = {name: submitted[name] for name in ("Location", "Idempotent-Replayed") if name in submitted}
        return Response(data, headers=kept)

    @idempotent(required=True)
    def _submit(self, request: Request) -> Response:
        try:
            return accepted(request, *submission.submit(request, submission.parse_single(request)))
        except submission.NothingUsable as refusal:
            refusal.errors = [
                {**error, "pointer": error["pointer"].replace("/spectra/0", "/spectrum", 1)}
                for error in refusal.errors
            ]
            return problems.answer(refusal, request)


def _ends_soon(job: Job) -> bool:
    """Wait for the end of the job, but not for long. One small query for each look."""
    ended = Job.objects.filter(pk=job.pk, finished_at__isnull=False)
    if ended.exists():
        return True
    if not _may_wait.acquire(blocking=False):
        return False
    try:
        ends_at = time.monotonic() + LONGEST_WAIT_S
        while time.monotonic() < ends_at:
            time.sleep(_LOOK_EACH_S)
            if ended.exists():
                return True
        return False
    finally:
        _may_wait.release()
