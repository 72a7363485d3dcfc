"""What all views of the REST interface share: authentication, formats, and answers to repeated POSTs."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import Throttled
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder
from rest_framework.views import APIView

from annotation.accounts.models import ApiToken
from annotation.api import deprecation, problems, strict
from annotation.api.access import HasScope, caller
from annotation.api.authentication import BearerToken
from annotation.api.parsers import BoundedJSON
from annotation.api.problems import Problem
from annotation.api.rate import Allowance, count_request
from annotation.integration.idempotency import (
    LONGEST_KEY,
    KeyReused,
    StillInFlight,
    StoredResponse,
    claim_key,
)

P = ParamSpec("P")
V = TypeVar("V", bound=APIView)
Handler = Callable[Concatenate[V, Request, P], Response]

KEPT_HEADERS = ("Location", "Retry-After", "ETag")


class View(APIView):
    """Base of every view. A token needs one of `read_scopes` to read, and `write_scope` for all else.

    `write_scopes` are several of which one suffices.
    """

    authentication_classes = (BearerToken, SessionAuthentication)
    permission_classes = (HasScope,)
    renderer_classes: tuple[type[BaseRenderer], ...] = (JSONRenderer,)
    parser_classes = (BoundedJSON, MultiPartParser)
    read_scopes = frozenset({ApiToken.Scope.READ})
    write_scope = ApiToken.Scope.SUBMIT
    write_scopes: frozenset[ApiToken.Scope] | None = None
    allowance: Allowance | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        strict.check_request(self, request)

    def check_throttles(self, request: Request) -> None:
        """Count the request for its token, or for its signed-in person. Permissions were checked before."""
        token = request.auth if isinstance(request.auth, ApiToken) else None
        self.allowance = count_request(f"token/{token.pk}" if token else f"user/{request.user.pk}")
        if self.allowance.exceeded:
            raise Throttled(self.allowance.reset_s)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        if request.method == "GET" and isinstance(response, Response) and response.status_code == 200:
            response.data = strict.sparse(response.data, strict.chosen_fields(request))
            for name, value in deprecation.headers(self, request).items():
                response.headers[name] = value
        final = super().finalize_response(request, response, *args, **kwargs)
        for name, value in (self.allowance.headers() if self.allowance else {}).items():
            final.headers[name] = value
        return final

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response]:
        return problems.handle


def idempotent(*, required: bool) -> Callable[[Handler[V, P]], Handler[V, P]]:
    """Honour Idempotency-Key: the same key and body get the first answer again, and the work is done once."""

    def decorate(handler: Handler[V, P]) -> Handler[V, P]:
        @functools.wraps(handler)
        def handle_once(view: V, request: Request, /, *args: P.args, **kwargs: P.kwargs) -> Response:
            key = request.headers.get("Idempotency-Key", "")
            if not key and not required:
                return handler(view, request, *args, **kwargs)
            _check_key(key)
            return _answer_once(key, request, lambda: handler(view, request, *args, **kwargs))

        return handle_once

    return decorate


def _answer_once(key: str, request: Request, work: Callable[[], Response]) -> Response:
    """The kept answer to the key, or the answer of `work`, which is kept if it is a success."""
    token = request.auth if isinstance(request.auth, ApiToken) else None
    try:
        with claim_key(user=caller(request), token=token, key=key, request_sha256=digest(request)) as claim:
            if claim.response is not None:
                headers = {**claim.response.headers, "Idempotent-Replayed": "true"}
                return Response(claim.response.body, status=claim.response.status, headers=headers)
            response = work()
            if response.status_code < 400:
                claim.store(_stored_response(response))
            return response
    except KeyReused:
        detail = "This Idempotency-Key was used with another request. Use a new key for a new request."
        raise Problem(422, detail, code="idempotency-key-reused") from None
    except StillInFlight:
        detail = "The first request with this Idempotency-Key is still in progress. Try again shortly."
        raise Problem(409, detail, code="in-flight", headers={"Retry-After": "2"}) from None


def digest(request: Request) -> str:
    """SHA-256 of method, address and body. A file counts by its name and content, read in chunks."""
    sha256 = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    data = request.data
    if not isinstance(data, QueryDict):
        sha256.update(json.dumps(data, sort_keys=True, separators=(",", ":")).encode())
        return sha256.hexdigest()
    for name in sorted(data):
        for value in data.getlist(name):
            content = _file_digest(value) if isinstance(value, UploadedFile) else json.dumps(value)
            sha256.update(f"{json.dumps(name)}={content}\n".encode())
    return sha256.hexdigest()


def _file_digest(file: UploadedFile[Any]) -> str:
    sha256 = hashlib.sha256()
    for chunk in file.chunks():
        sha256.update(chunk)
    file.seek(0)
    return f"{json.dumps(file.name)} {sha256.hexdigest()}"


def _stored_response(response: Response) -> StoredResponse:
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    return StoredResponse(
        response.status_code, headers, json.loads(json.dumps(response.data, cls=JSONEncoder))
    )


def _check_key(key: str) -> None:
    if not key:
        detail = "Send an Idempotency-Key header, new for each job, so that a retry cannot submit twice."
        raise Problem(400, detail, code="idempotency-key-missing")
    if len(key) > LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise Problem(400, f"An Idempotency-Key has 1 to {LONGEST_KEY} printable ASCII characters.")
