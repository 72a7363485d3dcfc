"""What fails before a view of the interface is reached still answers with problem details."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from annotation.api.problems import CONTENT_TYPE, Problem, body

PREFIX = "/api/"
REMEDIES = {
    404: "No such address. GET /api/v1/schema lists all that there are.",
    400: "The request is malformed, or asks for a host that this server is not known by.",
    500: "The server failed; nothing of this request was stored. The log of the server says why.",
}


def problem_details(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Put first: Django's own error pages under /api/ become problem details."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        html = response.headers.get("Content-Type", "").partition(";")[0] != CONTENT_TYPE
        if response.status_code < 400 or not html or not request.path.startswith(PREFIX):
            return response
        problem = Problem(
            response.status_code, REMEDIES.get(response.status_code, "The request was refused.")
        )
        return JsonResponse(
            body(problem, request.path), status=response.status_code, content_type=CONTENT_TYPE
        )

    return middleware
