"""The writer of each format, with what a download says about the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from annotation.exports.contents import Contents
from annotation.exports.formats.delimited import write_csv, write_tsv
from annotation.exports.formats.excel import write_xlsx
from annotation.exports.formats.graphml import write_graphml
from annotation.exports.formats.json_text import write_json, write_ndjson
from annotation.exports.formats.mgf import write_mgf
from annotation.exports.formats.mztab_m import write_mztab
from annotation.exports.formats.report_file import write_html, write_pdf
from annotation.exports.formats.sdf import write_sdf
from annotation.exports.models import Export


@dataclass(frozen=True, slots=True)
class Writer:
    """`write` writes the file and returns the number of rows: features, each once for each candidate."""

    write: Callable[[Contents, Path], int]
    content_type: str


Format = Export.Format
WRITERS: dict[str, Writer] = {
    Format.CSV: Writer(write_csv, "text/csv; charset=utf-8"),
    Format.TSV: Writer(write_tsv, "text/tab-separated-values; charset=utf-8"),
    Format.XLSX: Writer(write_xlsx, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    Format.SDF: Writer(write_sdf, "chemical/x-mdl-sdfile"),
    Format.JSON: Writer(write_json, "application/json"),
    Format.NDJSON: Writer(write_ndjson, "application/x-ndjson"),
    Format.MGF: Writer(write_mgf, "text/plain; charset=utf-8"),
    Format.MZTAB: Writer(write_mztab, "text/tab-separated-values; charset=utf-8"),
    Format.GRAPHML: Writer(write_graphml, "application/graphml+xml"),
    Format.HTML: Writer(write_html, "text/html; charset=utf-8"),
    Format.PDF: Writer(write_pdf, "application/pdf"),
}
