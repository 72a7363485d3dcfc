"""The help pages at /help/, as `make docs` built them from docs/. Anybody may read them, without signing in.

Only files below HELP_ROOT are served. The view asks the database nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils._os import safe_join
from django.views.decorators.http import condition, require_safe

# Stated here, because the machine's own table of types differs between installations.
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mgf": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
# A style sheet's address carries a hash of its content as `?v=`, so it never changes. Browsers check all
# other files again each time, which an ETag makes cheap.
UNCHANGING = "public, max-age=31536000, immutable"
CHECK_AGAIN = "no-cache"


@require_safe
def page(request: HttpRequest, path: str = "") -> HttpResponseBase:
    """A file of the built help; 503 with the command to run where the help is not built."""
    if not (settings.HELP_ROOT / "index.html").is_file():
        return _not_built(request)
    return _file(request, path)


def _find(path: str) -> Path:
    """The file at this address. Raises Http404; SuspiciousFileOperation for a path that leaves HELP_ROOT."""
    root = settings.HELP_ROOT.resolve()
    try:
        file = Path(safe_join(root, path or "index.html")).resolve()
    except ValueError:  # the path holds a NUL character
        raise Http404 from None
    hidden = any(part.startswith(".") for part in Path(path).parts)
    if hidden or file.suffix not in CONTENT_TYPES or not file.is_relative_to(root) or not file.is_file():
        raise Http404
    return file


def _etag(request: HttpRequest, path: str) -> str:
    status = _find(path).stat()
    return f'"{status.st_mtime_ns:x}-{status.st_size:x}"'


def _last_modified(request: HttpRequest, path: str) -> datetime:
    return datetime.fromtimestamp(int(_find(path).stat().st_mtime), UTC)


@condition(etag_func=_etag, last_modified_func=_last_modified)
def _file(request: HttpRequest, path: str) -> FileResponse:
    file = _find(path)
    response = FileResponse(file.open("rb"), content_type=CONTENT_TYPES[file.suffix])
    response.headers["Cache-Control"] = UNCHANGING if request.GET.get("v") else CHECK_AGAIN
    return response


def _not_built(request: HttpRequest) -> HttpResponse:
    return render(request, "annotation/help_not_built.html", status=503)
