"""The OpenAPI 3.1 schema of the REST interface and a page that shows it. Both work offline, for everybody."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.views.base import View
from glmr_server.security import WITH_INLINE_STYLES


class SchemaView(SpectacularAPIView):
    """GET /api/v1/schema, as YAML or, with Accept: application/json, as JSON. With an ETag."""

    authentication_classes = ()
    permission_classes = ()
    get_exception_handler = View.get_exception_handler

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """The schema is the same for everybody, and making it takes long, so each process makes it once."""
        renderer = request.accepted_renderer
        content, etag = _rendered(type(renderer))  # type: ignore[arg-type]  # the class, not an instance
        headers = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept"}
        headers["Content-Disposition"] = f'inline; filename="GLMR Server.{renderer.format}"'
        response = HttpResponse(content, content_type=renderer.media_type, headers=headers)
        return get_conditional_response(request._request, etag=etag, response=response) or response


@lru_cache
def _rendered(renderer: type[BaseRenderer]) -> tuple[bytes, str]:
    """The schema in the format of the renderer, and its ETag."""
    schema = SchemaView.generator_class().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    text = renderer().render(schema, renderer_context={})
    content = text if isinstance(text, bytes) else str(text).encode()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI, with its script in a file: the content security policy forbids inline scripts.

    Swagger UI writes styles into its elements, so only its page allows them.
    """

    authentication_classes = ()
    permission_classes = ()
    template_name = "annotation/api_docs.html"
    url_name = "api:schema"
    get_exception_handler = View.get_exception_handler

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response.headers["Content-Security-Policy"] = WITH_INLINE_STYLES
        return super().finalize_response(request, response, *args, **kwargs)
