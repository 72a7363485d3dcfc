"""The feed of changes: what changed since a client last looked."""

from __future__ import annotations

from django.utils.http import urlencode
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api import openapi
from annotation.api.access import projects
from annotation.api.addresses import address
from annotation.api.problems import Problem
from annotation.api.serializers.changes import ChangeFilters, ChangeListSerializer, ChangeSerializer
from annotation.api.views.base import View
from annotation.integration.changes import ChangePage, Forgotten, latest_sequence, read_changes

POLL_AFTER_S = "5"
FORGOTTEN = (
    "Changes after this sequence are no longer kept, or the server was restored from a backup. Note "
    "`/api/v1/changes?after=now`, read the lists in full, then go on from there."
)


class ChangesView(View):
    @extend_schema(
        operation_id="list_changes",
        parameters=[ChangeFilters],
        responses={200: ChangeListSerializer, **openapi.PROBLEMS, **openapi.FEED_PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """List changes of your projects in an order in which none can be missed.

        Follow `next`. Each transaction that changes a record is listed once, after its commit, at the end of
        the feed.
        """
        filters = ChangeFilters(data=request.query_params)
        filters.is_valid(raise_exception=True)
        values = filters.validated_data
        kinds = [values["kind"]] if "kind" in values else []
        if values.get("after") == "now":
            page = ChangePage((), latest_sequence(), has_more=False)
        else:
            after = int(values["after"]) if "after" in values else None
            try:
                page = read_changes(projects(request), after, values["limit"], kinds)
            except Forgotten:
                raise Problem(410, FORGOTTEN, code="changes-forgotten") from None
        query = {"after": page.last, "limit": values["limit"], **({"kind": kinds[0]} if kinds else {})}
        answer = {
            "results": ChangeSerializer(page.changes, many=True, context={"request": request}).data,
            "next": f"{address(request, 'api:changes')}?{urlencode(query)}",
            "has_more": page.has_more,
        }
        return Response(answer, headers={} if page.has_more else {"Retry-After": POLL_AFTER_S})
