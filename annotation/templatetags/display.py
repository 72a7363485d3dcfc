"""Values as text: numbers with a fixed precision, formulas with subscripts, durations."""

from __future__ import annotations

import re
from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from annotation.jobs.pace import TimeLeft
from annotation.results.models import GeneratedMolecule
from models_ml.spectra.formats.supported import SHORT_NAMES

register = template.Library()

_FORMULA_PART = re.compile(r"([A-Z][a-z]?|[+-])(\d*)")
_MISSING = "\N{EN DASH}"
# Beyond this, an error in ppm is hard to read; the difference in Da says at once that the mass is another.
_LARGEST_PPM = 1000


@register.filter
def fixed(value: float | None, digits: int = 4) -> str:
    """The number with that many digits after the point, never a negative zero; a dash for None."""
    return _MISSING if value is None else f"{value:z.{digits}f}".replace("-", "\N{MINUS SIGN}")


@register.filter
def format_name(stored: str) -> str:
    """The format of an upload as people write it: mzML for "mzml"."""
    return SHORT_NAMES.get(stored, stored.upper()) or "Unknown format"


@register.filter
def signed(value: float | None, digits: int = 2) -> str:
    """Like `fixed`, with a plus sign for positive numbers."""
    return _MISSING if value is None else f"{value:+z.{digits}f}".replace("-", "\N{MINUS SIGN}")


@register.filter
def percent(value: float | None) -> str:
    """A probability in whole percent, never 0 % or 100 %; "not given" for None."""
    if value is None:
        return "not given"
    whole = round(value * 100)
    if whole < 1:
        return "under\N{NO-BREAK SPACE}1\N{NO-BREAK SPACE}%"
    if whole > 99:
        return "over\N{NO-BREAK SPACE}99\N{NO-BREAK SPACE}%"
    return f"{whole}\N{NO-BREAK SPACE}%"


@register.filter
def mass_fit(generated: GeneratedMolecule, neutral_mass: float) -> str:
    """The mass error of a generated molecule: in ppm, or in Da where it is large."""
    if generated.exact_mass is None or generated.mass_error_ppm is None:
        return _MISSING
    if abs(generated.mass_error_ppm) < _LARGEST_PPM:
        return f"{signed(generated.mass_error_ppm, 1)}\N{NO-BREAK SPACE}ppm"
    return f"{signed(generated.exact_mass - neutral_mass, 2)}\N{NO-BREAK SPACE}Da: another mass"


@register.filter
def thousands(value: int | None) -> str:
    """A count, grouped by narrow no-break spaces; a dash for None."""
    return _MISSING if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


@register.filter
def formula(value: str) -> SafeString:
    """A molecular formula such as C8H10N4O2 with its numbers as subscripts."""
    parts = _FORMULA_PART.findall(value)
    return format_html_join(
        "",
        "{}{}",
        (
            (symbol, format_html("<sub>{}</sub>", number) if number else SafeString(""))
            for symbol, number in parts
        ),
    )


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds in units that people read: 4 s, 3 min, 2 h 10 min."""
    if seconds is None:
        return _MISSING
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


@register.filter
def time_range(left: TimeLeft) -> str:
    """An estimate with its range: about 4 min, 5 min to 12 min, at most 30 s."""
    low, high = duration(left.low_s), duration(left.high_s)
    if left.low_s < 1:
        return f"at most {high}"
    return f"about {high}" if low == high else f"{low} to {high}"


@register.filter
def age(moment: datetime) -> str:
    """The time since then, as `duration` writes it."""
    return duration(max(0.0, (timezone.now() - moment).total_seconds()))


@register.filter
def rate(per_s: float) -> str:
    """Two significant digits, because a slow server does less than one feature in ten seconds."""
    return f"{per_s:.0f}" if per_s >= 10 else f"{per_s:.2g}"
