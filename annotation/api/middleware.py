"""Problem details also where a request fails before it reaches a view of REST, and compressed answers."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

from annotation.api.problems import CONTENT_TYPE, SERVER_ERROR, Problem, body

PREFIX = "/api/"
DETAILS = {
    400: "The request is malformed, its query has control characters, or its Host header is not in "
    "GLMR_ALLOWED_HOSTS.",
    403: "Choose a new password on the web pages first, at /account/password/.",
    404: "This address does not exist. GET /api/v1/schema lists all addresses.",
    500: SERVER_ERROR,
}


def compress(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Gzip for machines that accept it. Files with a digest stay as they are.

    Not for browsers: where cookies sign in, other sites could learn secrets from the size of answers.
    """
    gzip = GZipMiddleware(get_response)

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        is_machine = request.path.startswith(PREFIX) and "Authorization" in request.headers
        if not is_machine or "Repr-Digest" in response.headers:
            return response
        return gzip.process_response(request, response)

    return middleware


def problem_details(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Must come first: turns Django's own error pages under /api/ into problem details."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        media_type = response.headers.get("Content-Type", "").partition(";")[0]
        is_api = request.path.startswith(PREFIX)
        if response.status_code < 400 or media_type == CONTENT_TYPE or not is_api:
            return response
        problem = Problem(response.status_code, DETAILS.get(response.status_code, "The request was refused."))
        return JsonResponse(
            body(problem, request.path), status=response.status_code, content_type=CONTENT_TYPE
        )

    return middleware
