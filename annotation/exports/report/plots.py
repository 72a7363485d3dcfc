"""The plots of a report as SVG, without a script: they must look the same in a browser and on paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 16, 40
INK, SOFT, GRID = "#1f2933", "#5b6770", "#dde3e8"
STRONG, FAINT = "#0b6e8f", "#b4bec6"
FONT = "Libertinus Serif, Georgia, serif"
MAX_LABELS = 9
LABEL_ROOM = 46  # pixels between labels
MAX_PEAKS_DRAWN = 400
MAX_POINTS = 3000


@dataclass(frozen=True, slots=True)
class DrawnPeak:
    mz: float
    percent: float  # of the base peak
    is_explained: bool


def spectrum_svg(peaks: Sequence[DrawnPeak], precursor_mz: float | None) -> str:
    """Peaks as sticks, explained ones in colour, the strongest with their m/z."""
    drawn = sorted(peaks, key=lambda peak: -peak.percent)[:MAX_PEAKS_DRAWN]
    if not drawn:
        return _svg(_text(WIDTH / 2, HEIGHT / 2, "No peaks", "middle"), "Spectrum without peaks")
    masses = [peak.mz for peak in drawn] + ([precursor_mz] if precursor_mz else [])
    x = _Scale.around(min(masses), max(masses), LEFT, WIDTH - RIGHT)
    y = _Scale(0, 108, HEIGHT - BOTTOM, TOP)
    parts = [_axis_x(x, "m/z"), _axis_y(y, "relative intensity (%)", (0, 25, 50, 75, 100))]
    if precursor_mz:
        at = x(precursor_mz)
        parts.append(_line(at, y(0), at, TOP, SOFT, 1, dashed=True))
    for peak in sorted(drawn, key=lambda peak: peak.is_explained):
        colour = STRONG if peak.is_explained else FAINT
        parts.append(_line(x(peak.mz), y(0), x(peak.mz), y(peak.percent), colour, 1.4))
    taken: list[float] = []
    for peak in drawn:
        at = x(peak.mz)
        if len(taken) < MAX_LABELS and all(abs(at - other) > LABEL_ROOM for other in taken):
            taken.append(at)
            inside = min(max(at, LEFT + 18), WIDTH - RIGHT - 18)
            parts.append(_text(inside, y(peak.percent) - 4, f"{peak.mz:.4f}", "middle", 10.5))
    return _svg("".join(parts), f"Spectrum with {len(peaks)} peaks")


def histogram_svg(counts: Sequence[int], low: float, high: float, label: str) -> str:
    """Bars over equal parts of a range, with their counts."""
    x = _Scale(low, high, LEFT, WIDTH - RIGHT)
    top = max(*counts, 1)
    y = _Scale(0, top * 1.12, HEIGHT - BOTTOM, TOP)
    step = (high - low) / len(counts)
    parts = [_axis_x(x, label), _axis_y(y, "features", _ticks(0, top, 4))]
    for number, count in enumerate(counts):
        start, end = x(low + number * step) + 1.5, x(low + (number + 1) * step) - 1.5
        if count:
            parts.append(_box(start, y(count), end - start, y(0) - y(count), STRONG))
            parts.append(_text((start + end) / 2, y(count) - 4, f"{count:,}", "middle", 10.5))
    return _svg("".join(parts), f"Histogram: {label}")


def map_svg(points: Sequence[tuple[float, float, bool]]) -> str:
    """Retention time (min) against precursor m/z; likely answers are filled."""
    step = max(1, math.ceil(len(points) / MAX_POINTS))
    shown = points[::step]
    x = _Scale.around(min(p[0] for p in shown), max(p[0] for p in shown), LEFT, WIDTH - RIGHT)
    y = _Scale.around(min(p[1] for p in shown), max(p[1] for p in shown), HEIGHT - BOTTOM, TOP)
    parts = [_axis_x(x, "retention time (min)"), _axis_y(y, "precursor m/z", y.ticks())]
    for minutes, mz, is_likely in sorted(shown, key=lambda point: point[2]):
        colour = STRONG if is_likely else FAINT
        parts.append(f'<circle cx="{x(minutes):.1f}" cy="{y(mz):.1f}" r="3" fill="{colour}"/>')
    return _svg("".join(parts), "Precursor m/z against retention time")


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to pixels."""

    low: float
    high: float
    first: float
    last: float

    @classmethod
    def around(cls, low: float, high: float, first: float, last: float) -> _Scale:
        """With room at both ends."""
        room = max((high - low) * 0.04, 0.5)
        return cls(max(0.0, low - room), high + room, first, last)

    def __call__(self, value: float) -> float:
        span = (self.high - self.low) or 1.0
        return self.first + (value - self.low) / span * (self.last - self.first)

    def ticks(self) -> list[float]:
        return _ticks(self.low, self.high, 6)


def _ticks(low: float, high: float, wanted: int) -> list[float]:
    """Round numbers within the range."""
    span = (high - low) or 1.0
    power = 10 ** math.floor(math.log10(span / wanted))
    step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= wanted)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]


def _number(value: float) -> str:
    return f"{value:,.6g}"


def _axis_x(x: _Scale, label: str) -> str:
    base = HEIGHT - BOTTOM
    parts = [_line(LEFT, base, WIDTH - RIGHT, base, SOFT, 1)]
    for tick in x.ticks():
        parts.append(_line(x(tick), base, x(tick), base + 4, SOFT, 1))
        parts.append(_text(x(tick), base + 16, _number(tick), "middle", 11, SOFT))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, label, "middle", 12))
    return "".join(parts)


def _axis_y(y: _Scale, label: str, ticks: Sequence[float]) -> str:
    parts = []
    for tick in ticks:
        parts.append(_line(LEFT, y(tick), WIDTH - RIGHT, y(tick), GRID, 0.8))
        parts.append(_text(LEFT - 6, y(tick) + 4, _number(tick), "end", 11, SOFT))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text transform="translate(12 {middle:.0f}) rotate(-90)" text-anchor="middle" font-size="12" '
        f'fill="{INK}">{escape(label)}</text>'
    )
    return "".join(parts)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float, dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="3 3"' if dashed else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width}"{dashes}/>'
    )


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str, size: float = 12, colour: str = INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">'
        f"{escape(text)}</text>"
    )


def _svg(content: str, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="{FONT}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{content}</svg>"
    )
