"""Django as a WSGI application. The web processes serve it through glmr_server.asgi."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "glmr_server.settings")

application = get_wsgi_application()

from annotation.spectra import readers  # noqa: E402 (needs the settings, which the line above loads)

readers.start()  # so that the first file does not wait for imports
