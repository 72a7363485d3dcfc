"""How values look on a page: numbers by precision, formulae with subscripts, links that keep filters."""

from __future__ import annotations

import re
from datetime import timedelta

from django import template
from django.forms import BoundField
from django.http import HttpRequest
from django.template import Context
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from annotation.jobs.models import WorkerHeartbeat, WorkerStatus
from annotation.results.models import GeneratedMolecule

register = template.Library()

_FORMULA_PART = re.compile(r"([A-Z][a-z]?|[+-])(\d*)")
_MISSING = "–"
PPM_SAYS_SOMETHING = 1000


@register.filter
def fixed(value: float | None, places: int = 4) -> str:
    """A number with so many places, or a dash where there is none."""
    return _MISSING if value is None else f"{value:.{places}f}".replace("-", "\N{MINUS SIGN}")


@register.filter
def signed(value: float | None, places: int = 2) -> str:
    return _MISSING if value is None else f"{value:+.{places}f}".replace("-", "\N{MINUS SIGN}")


@register.filter
def percent(value: float | None) -> str:
    """A probability in whole percent, never a flat 0 or 100; words where there is none."""
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
    """How far a written molecule's mass is from the measured one: in ppm, or in Da where ppm say nothing."""
    if generated.exact_mass is None or generated.mass_error_ppm is None:
        return _MISSING
    if abs(generated.mass_error_ppm) < PPM_SAYS_SOMETHING:
        return f"{signed(generated.mass_error_ppm, 1)}\N{NO-BREAK SPACE}ppm"
    return f"{signed(generated.exact_mass - neutral_mass, 2)}\N{NO-BREAK SPACE}Da: another mass"


@register.filter
def thousands(value: int | None) -> str:
    """A count, grouped by thin no-break spaces."""
    return _MISSING if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


@register.filter
def formula(value: str) -> SafeString:
    """C8H10N4O2 with its numbers set low."""
    parts = _FORMULA_PART.findall(value)
    return format_html_join("", "{}{}", ((s, format_html("<sub>{}</sub>", n) if n else "") for s, n in parts))


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as people say them: 4 s, 3 min, 2 h 10 min."""
    if seconds is None:
        return _MISSING
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


@register.filter
def ago(value: timedelta | float | None) -> str:
    if value is None:
        return "never"
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    return f"{duration(max(seconds, 0))} ago"


@register.filter
def short_hash(value: str) -> SafeString:
    """The first 12 digits of a hash; the whole of it on hover."""
    return format_html('<code title="{}">{}</code>', value, value[:12]) if value else SafeString(_MISSING)


@register.simple_tag
def bar(value: float | None) -> SafeString:
    """A small bar for a similarity between 0 and 1; it repeats a number beside it, so readers skip it."""
    if value is None:
        return SafeString("")
    width = max(0.0, min(1.0, value)) * 100
    return format_html(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="100" height="10" rx="4"/><rect width="{}" height="10" rx="4"/></svg>',
        f"{width:.0f}",
    )


@register.simple_tag
def query(request: HttpRequest, **changes: object) -> str:
    """The page's own query string with some values changed; None drops one."""
    values = request.GET.copy()
    for name, value in changes.items():
        if value is None:
            values.pop(name, None)
        else:
            values[name] = str(value)
    return f"?{values.urlencode()}" if values else "?"


@register.simple_tag
def workers() -> WorkerStatus:
    return WorkerHeartbeat.objects.status()


@register.filter
def described(field: BoundField) -> SafeString:
    """A form control that names its hint and its errors to assistive technology."""
    attrs: dict[str, str | bool] = {}
    ids = [f"{field.auto_id}-hint"] if field.help_text else []
    if field.errors:
        attrs["aria-invalid"] = "true"
        ids.append(f"{field.auto_id}-errors")
    if ids:
        attrs["aria-describedby"] = " ".join(ids)
    return field.as_widget(attrs=attrs)


@register.inclusion_tag("annotation/_sort_heading.html", takes_context=True)
def sort_heading(context: Context, key: str, label: str, css: str = "", title: str = "") -> dict[str, object]:
    """A table heading that sorts by a column, and says how the table stands."""
    request: HttpRequest = context["request"]
    current = str(context.get("sort", ""))
    is_current = current.lstrip("-") == key
    target = f"-{key}" if current == key else key
    direction = ("descending" if current.startswith("-") else "ascending") if is_current else ""
    href = query(request, sort=target, page=None)
    return {"label": label, "href": href, "direction": direction, "css": css, "title": title}


@register.inclusion_tag("annotation/_nested.html")
def nested(value: dict[str, object]) -> dict[str, object]:
    """A JSON object as a list of names and values, objects within it as lists of their own."""
    return {"pairs": [(name.replace("_", " "), shown) for name, shown in value.items()]}
