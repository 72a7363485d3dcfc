"""For speed only: see the fixture in the tests of the pages."""

from tests.annotation.web.conftest import _find_static_files_on_request

__all__ = ["_find_static_files_on_request"]
