"""The fixtures of the pages, because tables are tested through them too."""

from tests.annotation.web.conftest import _find_static_files_on_request, _help_pages

__all__ = ["_find_static_files_on_request", "_help_pages"]
