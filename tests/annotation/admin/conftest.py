"""Speed alone: see the tests of the pages."""

from tests.annotation.web.conftest import _static_files_unscanned

__all__ = ["_static_files_unscanned"]
