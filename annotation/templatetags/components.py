"""Components: markup that several pages share. Each tag renders a template in annotation/components/.

A tag that wraps content is closed by its name with "end" in front: {% card "Workers" %}...{% endcard %}.
"""

from __future__ import annotations

from typing import Any

from django import template
from django.core.paginator import Page
from django.forms import BoundField
from django.template import Context
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from annotation.jobs.models import WorkerHeartbeat, WorkerStatus
from annotation.jobs.progress import JobOutcome, Progress
from annotation.libraries.models import Molecule
from annotation.results.models import Annotation
from annotation.results.probability_words import probability_words
from annotation.tables.pages import Page as KeysetPage
from annotation.templatetags.display import thousands
from models_ml.spectra.formats.supported import SUPPORTED

register = template.Library()

_FOLDER = "annotation/components"


@register.simple_block_tag
def card(
    content: str,
    heading: str = "",
    id: str = "",
    *,
    aside: str = "",
    level: int = 2,
    flush: bool = False,
    css: str = "",
) -> SafeString:
    """A section in a box. `aside` is shown right of the heading. `flush` removes the padding, for a table.

    The heading's ID is "<id>-heading".
    """
    context = {"heading": heading, "id": id, "aside": aside, "level": level, "flush": flush, "css": css}
    return render_to_string(f"{_FOLDER}/card.html", context | {"content": content})


@register.simple_block_tag
def fragment(content: str) -> str:
    """Markup to pass to another tag: {% fragment as aside %}...{% endfragment %}."""
    return content


@register.simple_block_tag
def notice(content: str, kind: str = "info", name: str = "", role: str = "") -> SafeString:
    """A boxed message of the kind info, success, warning or error. Tests and scripts find it by its name."""
    context = {"kind": kind, "name": name, "role": role, "content": content}
    return render_to_string(f"{_FOLDER}/notice.html", context)


@register.simple_block_tag
def placeholder(
    content: str, heading: str, name: str = "", *, level: int = 2, picture: bool = False
) -> SafeString:
    """Shown instead of an empty list: why it is empty, and what to do next."""
    context = {"heading": heading, "name": name, "level": level, "picture": picture, "content": content}
    return render_to_string(f"{_FOLDER}/placeholder.html", context)


@register.simple_block_tag
def data_table(
    content: str, caption: str, *, css: str = "", show_caption: bool = False, tall: bool = False
) -> SafeString:
    """A table that scrolls within its card and can be scrolled by keyboard.

    On a narrow screen each row becomes a record; give cells a data-label that names their column.
    """
    context = {"caption": caption, "css": css, "show_caption": show_caption, "tall": tall, "content": content}
    return render_to_string(f"{_FOLDER}/data_table.html", context)


@register.simple_block_tag
def breadcrumbs(content: str) -> SafeString:
    """The pages above this page, as <li> elements."""
    return render_to_string(f"{_FOLDER}/breadcrumbs.html", {"content": content})


@register.inclusion_tag(f"{_FOLDER}/nav_link.html", takes_context=True)
def nav_link(context: Context, name: str, label: str, *also: str) -> dict[str, object]:
    """A link of the main menu. It is marked as current on its own page and on the pages `also`."""
    match = context["request"].resolver_match
    current = match.url_name if match else ""
    return {"url": reverse(name), "label": label, "is_current": current in (name, *also)}


@register.inclusion_tag(f"{_FOLDER}/badge.html")
def badge(label: str, state: str = "", detail: str = "") -> dict[str, str]:
    """A state as a coloured badge. `state` is the stored value, such as "done"; it decides the colour."""
    return {"label": label, "state": state, "detail": detail}


@register.inclusion_tag(f"{_FOLDER}/badge.html")
def job_badge(progress: Progress) -> dict[str, str]:
    if progress.stalled:
        return {"label": "Stalled", "state": "stalled"}
    if progress.outcome is JobOutcome.FAILED:
        return {"label": progress.outcome.label, "state": "failed"}
    if progress.outcome is JobOutcome.PARTIAL:
        return {"label": progress.outcome.label, "state": "partial"}
    return {"label": str(progress.state.label), "state": progress.state.value}


@register.inclusion_tag(f"{_FOLDER}/metric.html")
def metric(label: str, value: object, name: str = "", *, bad: bool = False) -> dict[str, object]:
    """A number with its label, for <dl class="metrics">. Counts are grouped by thousands."""
    shown = thousands(value) if isinstance(value, int) or value is None else value
    return {"label": label, "value": shown, "name": name, "bad": bad}


@register.inclusion_tag(f"{_FOLDER}/option_field.html")
def option_field(bound_field: BoundField) -> dict[str, object]:
    """A checkbox beside its label, with its hint and its errors."""
    return {"field": bound_field}


@register.inclusion_tag(f"{_FOLDER}/field.html")
def field(bound_field: BoundField) -> dict[str, object]:
    """A form field with its label, hint and errors."""
    return {"field": bound_field}


@register.inclusion_tag(f"{_FOLDER}/select_field.html")
def select_field(name: str, label: str, choices: Any, selected: object) -> dict[str, object]:
    """A list of choices outside a form class, such as the project of a filter."""
    return {"name": name, "label": label, "choices": choices, "selected": selected}


@register.inclusion_tag(f"{_FOLDER}/post_button.html")
def post_button(url: str, label: str, css: str = "", id: str = "") -> dict[str, str]:
    """A button that changes something on the server, so it posts."""
    return {"url": url, "label": label, "css": css, "id": id}


@register.inclusion_tag(f"{_FOLDER}/pager.html")
def pager(page: Page[Any], noun: str) -> dict[str, object]:
    """Which rows are shown, and links to the pages before and after. `noun` is a plural, such as "jobs"."""
    return {"page": page, "noun": noun}


@register.inclusion_tag(f"{_FOLDER}/keyset_pager.html", takes_context=True)
def keyset_pager(context: Context, page: KeysetPage, noun: str) -> dict[str, object]:
    """Like `pager`, for a page that knows only the rows beside it. `noun` is a plural, such as "features"."""
    return {"page": page, "noun": noun, "request": context["request"]}


@register.inclusion_tag(f"{_FOLDER}/cursor_pager.html", takes_context=True)
def cursor_pager(
    context: Context, noun: str, cursor: str, n_shown: int, parameter: str = "after", anchor: str = ""
) -> dict[str, object]:
    """First page and next page of a list whose length nobody counts. `cursor` is "" on the last page."""
    first = context["request"].GET.copy()
    first.pop(parameter, None)
    following = first.copy()
    following[parameter] = cursor
    return {
        "noun": noun,
        "n_shown": n_shown,
        "first": f"?{first.urlencode()}{anchor}" if context["request"].GET.get(parameter) else "",
        "following": f"?{following.urlencode()}{anchor}" if cursor else "",
    }


@register.inclusion_tag(f"{_FOLDER}/sort_heading.html", takes_context=True)
def sort_heading(context: Context, key: str, label: str, css: str = "", title: str = "") -> dict[str, object]:
    """A column heading that sorts the table. The context holds the order in `sort`, such as "-key"."""
    current = str(context.get("sort", ""))
    direction = ""
    if current.lstrip("-") == key:
        direction = "descending" if current.startswith("-") else "ascending"
    return {
        "target": f"-{key}" if current == key else key,
        "direction": direction,
        "label": label,
        "css": css,
        "title": title,
    }


@register.inclusion_tag(f"{_FOLDER}/structure.html")
def structure(
    molecule: Molecule, name: str = "", *, large: bool = False, decorative: bool = False
) -> dict[str, object]:
    """The structure of a stored molecule as a picture. A decorative one repeats the text beside it."""
    alt = f"Structure of {name}, {molecule.formula}" if name else f"Structure, {molecule.formula}"
    src = reverse("molecule-svg", args=[molecule.inchikey_first_block])
    return {"src": src, "alt": "" if decorative else alt, "large": large}


@register.inclusion_tag(f"{_FOLDER}/structure.html")
def structure_at(src: str, alt: str, *, large: bool = False) -> dict[str, object]:
    """A structure as a picture from another address, such as that of a generated molecule."""
    return {"src": src, "alt": alt, "large": large}


@register.inclusion_tag(f"{_FOLDER}/rank_1_probability.html")
def rank_1_probability(annotation: Annotation) -> dict[str, object]:
    """The probability of rank 1 in number and words, for a table cell."""
    return {"annotation": annotation, "words": probability_words(annotation)}


@register.inclusion_tag(f"{_FOLDER}/sha256.html")
def sha256(value: str, *, full: bool = False) -> dict[str, object]:
    """A SHA-256 hash: its first 12 digits, with the rest on hover, or all of it."""
    return {"value": value, "full": full}


@register.inclusion_tag(f"{_FOLDER}/parameters.html")
def parameters(params: dict[str, object]) -> dict[str, object]:
    """A job's parameters as <dt> and <dd>."""
    return {"pairs": [(name.replace("_", " "), _parameter(value)) for name, value in params.items()]}


def _parameter(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items()) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value == "" else str(value)


@register.inclusion_tag(f"{_FOLDER}/nested.html")
def nested(value: dict[str, object]) -> dict[str, object]:
    """A JSON object as a list of names and values. An object within it becomes a list within the list."""
    return {"pairs": [(name.replace("_", " "), shown) for name, shown in value.items()]}


@register.simple_tag
def bar(value: float | None) -> SafeString:
    """A small bar for a value between 0 and 1. It repeats the number beside it, so screen readers skip it."""
    if value is None:
        return SafeString("")
    width = max(0.0, min(1.0, value)) * 100
    return format_html(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="100" height="10" rx="4"/><rect width="{}" height="10" rx="4"/></svg>',
        f"{width:.0f}",
    )


@register.simple_tag
def supported_formats() -> str:
    """The formats of spectra that the server reads."""
    return SUPPORTED


@register.simple_tag
def worker_status() -> WorkerStatus:
    """How many workers are alive. One query."""
    return WorkerHeartbeat.objects.status()


@register.simple_block_tag
def fold(content: str, heading: str, name: str = "", kind: str = "") -> SafeString:
    """One line that opens: for what qualifies a result and has no space. `kind` is info or warning."""
    context = {"heading": heading, "name": name, "kind": kind, "content": content}
    return render_to_string(f"{_FOLDER}/fold.html", context)


@register.inclusion_tag(f"{_FOLDER}/downloads.html")
def downloads(selector: str, name: str) -> dict[str, str]:
    """Buttons that save the picture at the CSS selector as SVG and as PNG. `name` is the name of the file."""
    return {"selector": selector, "name": name}
