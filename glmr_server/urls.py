"""URLs of the whole site: admin, REST, web pages, and a health check for containers."""

from __future__ import annotations

from django.contrib import admin
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

admin.site.site_header = "GLMR Server administration"
admin.site.site_title = "GLMR Server"


def healthz(request: HttpRequest) -> HttpResponse:
    """Answers 200 if the web process and its database work, and 500 otherwise."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok\n", content_type="text/plain")


urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("annotation.api.urls")),
    path("", include("annotation.web.urls")),
]
