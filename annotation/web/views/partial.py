"""Resumable uploads for the pages that take files: begin, append, finish. JSON, for scripts only."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from annotation.accounts.models import Role
from annotation.spectra import partial, readers
from annotation.spectra.models import PartialUpload
from annotation.web import scope
from annotation.web.scope import SignedInRequest

MAX_FILES = 100  # of one request, as in a form


def for_script(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Every problem as JSON with its reason. Without a session 401, so that the script can ask to sign in."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return _problem(401, "Your session has ended. Sign in again; the chosen files stay here.")
        try:
            return view(cast(SignedInRequest, request), *args, **kwargs)
        except partial.WrongOffset as wrong:
            return JsonResponse({"problem": str(wrong), "offset": wrong.offset}, status=409)
        except partial.CannotStore as refusal:
            return _problem(413, str(refusal))
        except partial.PartGone:
            return _problem(404, "The uploaded file is gone. Choose it again.")
        except readers.Busy as busy:
            response = _problem(503, str(busy))
            response.headers["Retry-After"] = str(readers.RETRY_AFTER_S)
            return response

    return checked


@for_script
@require_POST
def begin(request: SignedInRequest) -> HttpResponse:
    """Announce a file by name and size."""
    size, project = request.POST.get("size", ""), request.POST.get("project", "")
    shared = not project and request.user.is_superuser  # the file of a library that all projects share
    if not (size.isdecimal() and len(size) < 19 and (shared or (project.isdecimal() and len(project) < 19))):
        return _problem(400, "The request states no size or no project.")
    mine = scope.projects(request.user, Role.SUBMITTER)
    owner = None if shared else get_object_or_404(mine, pk=int(project))
    started = partial.begin(owner, request.user, request.POST.get("name", ""), int(size))
    address = reverse("partial-upload", args=[started.public_id])
    return JsonResponse({"part": str(started.public_id), "url": address, "offset": 0}, status=201)


@for_script
@require_http_methods(["GET", "POST", "DELETE"])
def part(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """Where to continue (GET), the next bytes as the body (POST with ?offset=), or give up (DELETE)."""
    upload = _mine(request, public_id)
    if request.method == "DELETE":
        partial.discard(upload)
        return HttpResponse(status=204)
    if request.method == "GET":
        return JsonResponse({"part": str(upload.public_id), "offset": partial.offset(upload)})
    at = request.GET.get("offset", "")
    if not at.isdecimal() or len(at) > 18:
        return _problem(400, "The request states no offset.")
    return JsonResponse({"offset": partial.append(upload, int(at), request)})


@for_script
@require_POST
def finish(request: SignedInRequest) -> HttpResponse:
    """Read the complete files that `part` names. A refused file is an upload too, with the reason."""
    parts = [_mine(request, public_id) for public_id in _ids(request.POST.getlist("part"))]
    if any(part.project is None for part in parts):
        return _problem(400, "A file without a project cannot be submitted.")
    with readers.turn(readers.person(request.user)):
        stored = partial.finish(parts)
    uploads = [
        {
            "part": str(part.public_id),
            "upload": upload.pk,
            "condition": upload.condition.value,
            "label": upload.condition.label,
            "problem": upload.refusal,
            "n_features": upload.n_features,
        }
        for part, upload in stored
    ]
    return JsonResponse({"uploads": uploads})


def _ids(texts: list[str]) -> list[UUID]:
    try:
        return [UUID(text) for text in dict.fromkeys(texts)][:MAX_FILES]
    except ValueError:
        raise Http404("There is no such upload.") from None


def _mine(request: SignedInRequest, public_id: UUID) -> PartialUpload:
    return get_object_or_404(scope.parts(request.user), public_id=public_id)


def _problem(status: int, text: str) -> JsonResponse:
    return JsonResponse({"problem": text}, status=status)
