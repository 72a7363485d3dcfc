"""Colours meet WCAG AA, light and dark: contrast 4.5 for text, 3 for marks and borders of controls."""

from __future__ import annotations

import re

import pytest
from django.contrib.staticfiles import finders

TEXT = [
    ("ink", "ground"), ("ink", "sheet"), ("ink", "sunk"), ("ink-soft", "ground"), ("ink-soft", "sheet"),
    ("ink-soft", "sunk"), ("accent", "ground"), ("accent", "sheet"), ("accent", "accent-wash"),
    ("accent-ink", "accent"), ("band-ink", "band"), ("band-soft", "band"), ("good", "good-wash"),
    ("warn", "warn-wash"), ("bad", "bad-wash"), ("bad", "sheet"), ("info", "info-wash"), ("ink", "info-wash"),
    ("ink", "warn-wash"), ("ink", "bad-wash"), ("ink", "good-wash"), ("explained", "sheet"),
    ("precursor", "sheet"), ("accent", "warn-wash"), ("good", "sheet"), ("warn", "sheet"),
]  # fmt: skip
MARKS = [("line-strong", "sheet"), ("line-strong", "ground"), ("peak", "sheet"), ("accent", "sunk")]


def palettes() -> dict[str, dict[str, str]]:
    path = finders.find("annotation/site.css")
    assert isinstance(path, str)
    with open(path, encoding="utf-8") as file:
        blocks = re.findall(r":root \{(.*?)\}", file.read(), flags=re.DOTALL)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in blocks[:2])
    return {"light": light, "dark": light | dark}


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(colour: str, background: str) -> float:
    high, low = sorted((luminance(colour), luminance(background)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_have_enough_contrast(theme: str) -> None:
    colours = palettes()[theme]
    contrasts = {(a, b): contrast(colours[a], colours[b]) for a, b in TEXT + MARKS}
    too_low = {
        pair: round(value, 2) for pair, value in contrasts.items() if value < (4.5 if pair in TEXT else 3)
    }
    assert too_low == {}
