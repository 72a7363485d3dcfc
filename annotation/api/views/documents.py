"""The OpenAPI 3.1 schema of the REST interface and a page that shows it. Both work offline, for everybody."""

from __future__ import annotations

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from annotation.api.views.base import View


class SchemaView(SpectacularAPIView):
    """GET /api/v1/schema, as YAML or, with Accept: application/json, as JSON."""

    authentication_classes = ()
    permission_classes = ()
    get_exception_handler = View.get_exception_handler


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI, with its script in a file: the content security policy forbids inline scripts."""

    authentication_classes = ()
    permission_classes = ()
    url_name = "api:schema"
    get_exception_handler = View.get_exception_handler
