"""Charts as SVG, made on the server: columns and a map of points. Colours are classes of the style sheet.

Each chart is one picture with a text alternative. The page shows its numbers as a table beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

WIDTH, HEIGHT = 560, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 40
MAP_WIDTH, MAP_HEIGHT, MAP_TOP = 1120, 440, 30
WIDEST_COLUMN = 72


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a histogram. `href` opens its features; empty for none."""

    label: str
    n: int
    href: str = ""
    tick: str = ""  # the short label on the axis; by default the label


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a map: where it is, from 0 to 1 on both axes, and what it opens."""

    x: float
    y: float
    n: int
    css: str
    title: str
    href: str


def column_chart(
    columns: Sequence[Column], alternative: str, x_label: str, *, target: float | None = None
) -> SafeString:
    """`target` is a place on the horizontal axis from 0 to 1, drawn as a dashed line."""
    most = max((column.n for column in columns), default=0)
    ticks = ticks_to(most)
    top = max(ticks[-1], 1)
    width = (WIDTH - LEFT - RIGHT) / max(len(columns), 1)
    bottom = HEIGHT - BOTTOM
    parts = [_grid(tick, bottom - tick / top * (bottom - TOP)) for tick in ticks]
    step = max(1, math.ceil(len(columns) / 10))
    for index, column in enumerate(columns):
        x, height = LEFT + index * width, column.n / top * (bottom - TOP)
        shown = min(max(width - 2, 1), WIDEST_COLUMN)
        bar = (
            f'<rect class="column" x="{x + (width - shown) / 2:.1f}" y="{bottom - height:.1f}" '
            f'width="{shown:.1f}" height="{height:.1f}">'
            f"<title>{escape(column.label)}: {column.n}</title></rect>"
        )
        parts.append(_linked(bar, column.href, f"{column.label}: {column.n}") if column.n else "")
        if index % step == 0:
            parts.append(_text(x + width / 2, bottom + 16, column.tick or column.label, "middle"))
    if target is not None:
        x = LEFT + target * (WIDTH - LEFT - RIGHT)
        parts.append(f'<line class="target" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_label, "middle"))
    return _svg(WIDTH, HEIGHT, alternative, parts)


def point_map(
    points: Sequence[Point],
    alternative: str,
    x_axis: tuple[float, float, str],
    y_axis: tuple[float, float, str],
) -> SafeString:
    """An axis is its lowest and highest value and its label."""
    right, bottom = MAP_WIDTH - RIGHT, MAP_HEIGHT - BOTTOM
    parts = []
    for value in ticks_between(y_axis[0], y_axis[1]):
        parts.append(_grid(value, bottom - _share(value, y_axis) * (bottom - MAP_TOP), right))
    for value in ticks_between(x_axis[0], x_axis[1]):
        parts.append(
            _text(LEFT + _share(value, x_axis) * (right - LEFT), bottom + 16, f"{value:g}", "middle")
        )
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(_text((LEFT + right) / 2, MAP_HEIGHT - 6, x_axis[2], "middle"))
    parts.append(_text(4, 12, y_axis[2], "start"))
    for point in points:
        x, y = LEFT + point.x * (right - LEFT), bottom - point.y * (bottom - MAP_TOP)
        radius = min(2.4 + math.log2(point.n), 7.0)
        dot = (
            f'<circle class="dot {point.css}" cx="{x:.0f}" cy="{y:.0f}" r="{radius:.1f}">'
            f"<title>{escape(point.title)}</title></circle>"
        )
        parts.append(_linked(dot, point.href, point.title))
    return _svg(MAP_WIDTH, MAP_HEIGHT, alternative, parts)


def reliability_chart(points: Sequence[tuple[float, float]]) -> SafeString:
    """Stated probability against the share of right answers, both from 0 to 1, lowest first.

    On the dashed line both are equal.
    """
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + x * (right - LEFT), bottom - y * (bottom - TOP)

    parts = [_grid(tick, place(0, tick / 100)[1]) for tick in range(0, 101, 25)]
    parts += [_text(place(tick / 100, 0)[0], bottom + 16, str(tick), "middle") for tick in range(0, 101, 25)]
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(f'<line class="target" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{TOP}"/>')
    places = [place(*point) for point in points]
    parts.append(f'<polyline class="line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>')
    for (stated, observed), (x, y) in zip(points, places, strict=True):
        title = f"stated {100 * stated:.0f} %, right {100 * observed:.0f} %"
        parts.append(
            f'<circle class="dot likely" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{title}</title></circle>'
        )
    parts.append(_text((LEFT + right) / 2, HEIGHT - 6, "Stated probability of rank 1 (%)", "middle"))
    parts.append(_text(LEFT + 6, TOP + 10, "Right (%)", "start"))
    return _svg(WIDTH, HEIGHT, "Stated probability against the share of right answers", parts)


def ticks_to(most: float, about: int = 4) -> list[float]:
    """Round numbers from 0 to at least `most`."""
    step = _round_step(most / about) if most else 1.0
    step = max(step, 1.0)
    return [step * index for index in range(math.ceil(most / step) + 1)] or [0.0]


def ticks_between(low: float, high: float, about: int = 8) -> list[float]:
    """Round numbers in the range."""
    step = _round_step((high - low) / about)
    first = math.ceil(low / step)
    return [round(step * index, 6) for index in range(first, math.floor(high / step) + 1)]


def _round_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, at least `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def _share(value: float, axis: tuple[float, float, str]) -> float:
    return (value - axis[0]) / (axis[1] - axis[0])


def _grid(value: float, y: float, right: float = WIDTH - RIGHT) -> str:
    line = f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _text(LEFT - 6, y + 4, f"{value:g}", "end")


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _linked(shape: str, href: str, name: str) -> str:
    """Not a stop of the keyboard: the table beside the chart has links to the same features."""
    return (
        f'<a href="{escape(href)}" tabindex="-1" aria-label="{escape(name)}">{shape}</a>' if href else shape
    )


def _svg(width: int, height: int, alternative: str, parts: Sequence[str]) -> SafeString:
    # An element with the role "img" must hold no links, because screen readers skip what is in it.
    role = "group" if any(part.startswith("<a ") for part in parts) else "img"
    # Every text in `parts` is escaped where it is added.
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="{}" aria-label="{}">{}</svg>',
        width,
        height,
        role,
        alternative,
        mark_safe("".join(parts)),  # noqa: S308
    )
