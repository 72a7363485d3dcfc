"""Sphinx builds the help pages from this folder: `make docs`. The server shows the result at /help/."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _version() -> str:
    """Read from the source, so that the build needs neither Django nor any other package of the server."""
    text = (ROOT / "glmr_server" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    if found is None:
        raise ValueError("glmr_server/__init__.py states no __version__.")
    return found[1]


project = "GLMR Server"
author = "The GLMR Server authors"
copyright = author
version = release = _version()
language = "en"

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "theme"]
nitpicky = True
myst_enable_extensions = ["attrs_inline"]
# Anchors as on GitHub, so that a link works there and in the built pages. Sphinx reports dead ones.
myst_heading_anchors = 3
# `server:/status/` is a page of the running server. The help pages lie one level below its root, at /help/.
myst_url_schemes = {"http": None, "https": None, "mailto": None, "server": {"url": "{{path}}"}}

html_theme = "theme"
html_theme_path = ["."]
html_title = "GLMR Server help"
html_short_title = "Help"
# The look of the pages is the server's own style sheet; theme/static/help.css adds what documents need.
html_static_path = ["../annotation/static/annotation/site.css", "../annotation/static/annotation/mark.svg"]
html_css_files = ["site.css", "help.css"]
html_favicon = "../annotation/static/annotation/mark.svg"
html_copy_source = False
html_use_index = False
html_show_sphinx = False
