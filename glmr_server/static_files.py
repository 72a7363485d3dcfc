"""Static files under names that contain a hash of their content, so that browsers may cache them forever."""

from __future__ import annotations

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

_IMPORT = r"""(?P<matched>from\s+["'](?P<url>\./[^"']+)["'];)"""


class HashedStaticFilesStorage(ManifestStaticFilesStorage):
    """Also puts the hashed names into the imports of this project's JavaScript modules.

    Django can do this for all scripts (`support_js_module_import_aggregation`), but then a module of another
    package that imports a name without a file stops `collectstatic`.
    """

    patterns = (*ManifestStaticFilesStorage.patterns, ("annotation/*.js", ((_IMPORT, 'from "%(url)s";'),)))
