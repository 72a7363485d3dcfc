"""The page of components, for people who build pages. It shows the real ones, so it stays true."""

from __future__ import annotations

import re
from pathlib import Path

from django import forms
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.templatetags.static import static

from annotation.web.charts import Column, column_chart, reliability_chart
from annotation.web.scope import SignedInRequest

STYLE_SHEET = Path(__file__).resolve().parents[2] / "static" / "annotation" / "site.css"
_TOKEN = re.compile(r"--([a-z-]{1,40}): (#[0-9a-f]{6})")

# States of jobs, items, uploads, libraries, workers and verdicts, by the colour that they share.
BADGES = (
    ("Good", "done"),
    ("Running", "running"),
    ("Failed", "failed"),
    ("Needs attention", "partial"),
    ("Neutral", "pending"),
)
NOTICES = ("info", "success", "warning", "error")
BUTTONS = (("Button", ""), ("Main", "main"), ("Danger", "danger"), ("Big", "big"), ("Small", "small"))


class ExampleForm(forms.Form):
    name = forms.CharField(label="Name", help_text="The hint says what to enter.")
    file = forms.CharField(label="With an error")


@login_required
def components(request: SignedInRequest) -> HttpResponse:
    """Staff only. The page adds no query."""
    if not request.user.is_staff:
        raise PermissionDenied("The page of components is for staff.")
    form = ExampleForm({"name": "Batch 7"})
    form.full_clean()
    context = {
        "tokens": _colours(),
        "badges": BADGES,
        "notices": NOTICES,
        "buttons": BUTTONS,
        "form": form,
        "choices": [("a", "First choice"), ("b", "Second choice")],
        "pages": Paginator(range(95), 20).page(2),
        "columns": column_chart([Column("Low", 3), Column("High", 8)], "Example of a column chart", "Kind"),
        "reliability": reliability_chart([(0.2, 0.15), (0.5, 0.55), (0.9, 0.92)]),
        "settings": {"tolerance": "10 ppm", "adducts": {"positive": "[M+H]+", "negative": "[M-H]-"}},
        "picture": static("annotation/mark.svg"),
    }
    return render(request, "annotation/components.html", context)


def _colours() -> list[tuple[str, str, str]]:
    """Name, light and dark value of each colour of the style sheet."""
    light, dark = (
        dict(_TOKEN.findall(block)) for block in STYLE_SHEET.read_text().split("/* Paper is always light. */")
    )
    return [(name, value, dark.get(name) or value) for name, value in light.items()]
