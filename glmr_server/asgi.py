"""The ASGI entry point that the web processes serve: the front with Django behind it."""

from __future__ import annotations

import inspect
import os

from django.core.asgi import get_asgi_application
from django.urls import Resolver404, resolve

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "glmr_server.settings")

streams = get_asgi_application()

from glmr_server.front.application import Front  # noqa: E402 (the line above loads the settings)
from glmr_server.front.limits import from_settings  # noqa: E402
from glmr_server.security import largest_body  # noqa: E402
from glmr_server.wsgi import application as wsgi  # noqa: E402


def is_stream(path: str) -> bool:
    """Whether the view of this path is async, as views of server-sent events are."""
    try:
        return inspect.iscoroutinefunction(resolve(path).func)
    except Resolver404:
        return False


application = Front(wsgi, streams, limits=from_settings(), largest_body=largest_body, is_stream=is_stream)
