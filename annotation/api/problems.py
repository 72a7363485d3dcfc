"""Every error of the REST interface as problem details (RFC 9457), never as an HTML page.

400 means that the message cannot be read: its JSON, form, encoding or a header is malformed. 422 means that
it can be read, but a field of the body or a parameter of the address is unknown, missing or invalid. `errors`
then has a pointer to each.

An unexpected error is logged with its traceback; the client gets status 500 without details.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.signals import got_request_exception
from django.http import Http404
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
SERVER_ERROR = (
    "An error occurred on the server; nothing of this request was stored. The administrator finds the cause "
    "in the server's log."
)


class Problem(exceptions.APIException):
    """A refused request. `extra` adds members to the problem details."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str = "",
        errors: list[dict[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail, code or HTTPStatus(status).name.lower())
        self.status_code = status
        self.errors = errors or []
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


def invalid_field(name: str, detail: str) -> Problem:
    """A field of the body or a parameter of the address that is not valid."""
    return Problem(422, detail, errors=pointed({name: [detail]}))


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """The exception handler of all views of the REST interface."""
    request = context["request"]
    problem = _as_problem(error)
    if problem is None:
        log.exception("Unexpected error at %s %s", request.method, request.path, exc_info=error)
        got_request_exception.send(sender=type(context["view"]), request=request._request)
        problem = Problem(500, SERVER_ERROR)
    return answer(problem, request)


def answer(problem: Problem, request: Request) -> Response:
    """The response. For a view that must not raise, because a raised error rolls back what it stored."""
    return Response(
        body(problem, request.path),
        status=problem.status_code,
        headers=problem.headers,
        content_type=CONTENT_TYPE,
    )


def body(problem: Problem, instance: str) -> dict[str, Any]:
    status = HTTPStatus(problem.status_code)
    code = problem.get_codes()
    generic = code == status.name.lower()
    return {
        # about:blank: the status code is the whole type (RFC 9457, 4.2.1). A URN names a more specific type.
        "type": "about:blank" if generic else f"urn:glmr:problem:{code}",
        "title": status.phrase,
        "status": int(status),
        "detail": str(problem.detail),
        "instance": instance,
        **({} if generic else {"help": f"/help/reference/problems.html#{code}"}),
        **({"errors": problem.errors} if problem.errors else {}),
        **problem.extra,
    }


def _as_problem(error: Exception) -> Problem | None:
    match error:
        case Problem():
            return error
        case exceptions.ValidationError():
            return Problem(
                422, "The request is invalid. `errors` points to each mistake.", errors=pointed(error.detail)
            )
        case DjangoValidationError():
            return Problem(400, " ".join(error.messages))
        case Http404():
            return Problem(404, "This does not exist, or it belongs to a project that you cannot see.")
        case PermissionDenied():
            return Problem(403, str(error) or "You do not have permission to do this.")
        case RequestDataTooBig():
            return Problem(413, "The request is too large. Split it, or send the spectra as a file.")
        case exceptions.APIException():
            return _from_framework(error)
        case _:
            return None


def _from_framework(error: exceptions.APIException) -> Problem:
    headers = {}
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, round(wait)))
    return Problem(error.status_code, str(error.detail), headers=headers)


def pointed(detail: Any, pointer: str = "") -> list[dict[str, str]]:
    """The nested errors of a serializer as a list, each with the JSON pointer (RFC 6901) to its field."""
    if isinstance(detail, Mapping):
        parts = ((_step(key), value) for key, value in detail.items())
        return [error for step, value in parts for error in pointed(value, pointer + step)]
    if isinstance(detail, (list, tuple)):
        nested = [
            (f"/{index}" if isinstance(value, (Mapping, list)) else "", value)
            for index, value in enumerate(detail)
        ]
        return [error for step, value in nested for error in pointed(value, pointer + step)]
    return [{"pointer": pointer, "detail": str(detail)}]


def _step(key: object) -> str:
    if key == "non_field_errors":
        return ""
    return "/" + str(key).replace("~", "~0").replace("/", "~1")
