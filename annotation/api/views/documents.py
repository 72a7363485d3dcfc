"""The interface's own description: OpenAPI 3.1, and pages that explain it without a network. Open to all."""

from __future__ import annotations

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from annotation.api.views.base import View


class SchemaView(SpectacularAPIView):
    """GET /api/v1/schema, as YAML or, with Accept: application/json, as JSON."""

    authentication_classes = ()
    permission_classes = ()
    get_exception_handler = View.get_exception_handler


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI, its script apart from the page, as the content security policy demands."""

    authentication_classes = ()
    permission_classes = ()
    url_name = "api:schema"
    get_exception_handler = View.get_exception_handler
