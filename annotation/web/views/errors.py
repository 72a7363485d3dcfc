"""Error pages in the site's own words. They ask the database nothing, since it may be what is broken."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "403.html", {"why": str(exception or "")}, status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "404.html", status=404)


def too_large(request: HttpRequest, detail: str) -> HttpResponse:
    return render(request, "413.html", {"detail": detail}, status=413)


def broken(request: HttpRequest) -> HttpResponse:
    return render(request, "500.html", status=500)
