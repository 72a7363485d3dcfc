"""Guards before any view: a content security policy, no caching of private pages, a limit on sizes, and no
control characters in addresses.

The size limit uses the Content-Length header, before any byte of the body is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render

GetResponse = Callable[[HttpRequest], HttpResponseBase]

# Everything is served from this host, so nothing else may be loaded: no inline scripts or styles, no other
# hosts.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "style-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
# For a page whose library writes styles into its elements, such as the one of the REST schema.
WITH_INLINE_STYLES = CONTENT_SECURITY_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# In a query, blanks of pasted text (tab, line feed, carriage return) may remain.
_ENCODED_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|%(?:0[0-8bcef]|1[0-9a-f]|7f)", re.IGNORECASE)
# Multipart framing around the file itself.
_FRAMING_BYTES = 2**20


def content_security_policy(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        match = request.resolver_match
        # The scripts of Django's administration write styles into the elements that they make.
        policy = WITH_INLINE_STYLES if match and match.app_name == "admin" else CONTENT_SECURITY_POLICY
        response.headers.setdefault("Content-Security-Policy", policy)
        return response

    return middleware


def keep_private(get_response: GetResponse) -> GetResponse:
    """Pages and answers about one project are stored by no cache, neither on the way nor in the browser.

    Must come before the static files, which set another rule and are the same for everyone.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return middleware


def largest_body(content_type: str) -> int:
    """Bytes that the body of a request may have. Files come as multipart/form-data only."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        return int(settings.GLMR_MAX_UPLOAD_BYTES) + _FRAMING_BYTES
    if media_type == "application/json":
        return int(settings.GLMR_MAX_JSON_BYTES)
    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


def refuse_oversized_upload(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        announced = request.headers.get("Content-Length") or "0"
        limit = largest_body(request.content_type or "")
        # annotation.api.parsers refuses JSON, with advice on spectra.
        if announced.isdigit() and int(announced) > limit and request.content_type != "application/json":
            return _too_large(request, int(announced), limit)
        return get_response(request)

    return middleware


def refuse_control_characters(get_response: GetResponse) -> GetResponse:
    """404 for a path and 400 for a query with NUL and its like: no name has them, PostgreSQL refuses NUL."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if _CONTROL.search(request.path_info):
            raise Http404
        if _ENCODED_CONTROL.search(request.META.get("QUERY_STRING", "")):
            raise BadRequest("The query of the address contains control characters.")
        return get_response(request)

    return middleware


def _too_large(request: HttpRequest, announced: int, limit: int) -> HttpResponse:
    detail = (
        f"The request has {announced / 2**20:,.0f} MiB; "
        f"at most {limit / 2**20:,.0f} MiB are accepted at once. "
        "Split the file into parts, or compress it with gzip. "
        "An administrator can raise the limit with GLMR_MAX_UPLOAD_BYTES."
    )
    if request.path.startswith("/api/"):
        problem = {"type": "about:blank", "title": "Upload too large", "status": 413}
        problem |= {"detail": detail, "instance": request.path}
        return JsonResponse(problem, status=413, content_type="application/problem+json")
    return render(request, "413.html", {"detail": detail}, status=413)
