"""For speed only: see the fixture in the tests of the pages."""

from tests.annotation.web.conftest import _static_files_unscanned

__all__ = ["_static_files_unscanned"]
