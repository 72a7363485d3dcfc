"""The report for a customer, as one HTML file without anything from outside, and as PDF."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import typst
from django.template.loader import render_to_string

from annotation.exports.contents import Contents
from annotation.exports.report.collect import collect

LAYOUT = Path(__file__).resolve().parents[1] / "report" / "report.typ"


def write_html(contents: Contents, path: Path) -> int:
    report, n_rows = collect(contents)
    path.write_text(render_to_string("annotation/report_file.html", {"report": report}), encoding="utf-8")
    return n_rows


def write_pdf(contents: Contents, path: Path) -> int:
    """Set by Typst from a fixed layout. The text of the report is data for it, never markup."""
    report, n_rows = collect(contents)
    layout = path.with_name("report.typ")
    shutil.copyfile(LAYOUT, layout)
    path.with_name("report.json").write_text(json.dumps(report.as_json()), encoding="utf-8")
    made_at = int(contents.snapshot.taken_at.timestamp())
    typst.compile(str(layout), output=str(path), root=str(path.parent), timestamp=made_at)
    return n_rows
