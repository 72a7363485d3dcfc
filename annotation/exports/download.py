"""The file of a finished export as a download, the same for the web pages and REST."""

from __future__ import annotations

from base64 import b64encode

from django.http import FileResponse

from annotation.exports import ledger
from annotation.exports.formats.registry import WRITERS
from annotation.exports.models import Export
from annotation.exports.table import file_stem

ENDINGS = {Export.Format.MZTAB: "mzTab"}


class NotThere(Exception):
    """The export has no file. Says why."""


def download(export: Export) -> FileResponse:
    """Streams the file. `export.job` must be loaded. Raises NotThere."""
    if export.state != Export.State.READY:
        raise NotThere(_reason(export))
    try:
        stream = ledger.path_of(export.file).open("rb")
    except FileNotFoundError:
        raise NotThere("The file of this export is gone. Request the export again.") from None
    response = FileResponse(
        stream,
        as_attachment=True,
        filename=file_name(export),
        content_type=WRITERS[export.format].content_type,
    )
    # RFC 9530, so that a client can check what it got.
    digest = b64encode(bytes.fromhex(export.sha256)).decode()
    response.headers["Repr-Digest"] = f"sha-256=:{digest}:"
    return response


def file_name(export: Export) -> str:
    """Names the job and the snapshot."""
    ending = ENDINGS.get(Export.Format(export.format), export.format)
    return f"{file_stem(export.job)}-{export.snapshot_id}.{ending}"


def _reason(export: Export) -> str:
    match export.state:
        case Export.State.FAILED:
            return f"This export failed: {export.error}"
        case Export.State.EXPIRED:
            return "The file of this export was deleted after its time. Request the export again."
        case _:
            return "This export is not built yet. Try again shortly."
