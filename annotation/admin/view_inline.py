"""Inline tables of the admin whose columns are the fields of a view: new fields appear by themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin

from annotation.admin.read_only import ReadOnlyInline
from annotation.results.view_fields import ViewField, view_fields


class ViewInline(ReadOnlyInline):
    """Shows every field of the `view` of a row, after the columns in `links`."""

    view: ClassVar[type]
    leave_out: ClassVar[frozenset[str]] = frozenset()
    links: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        shown = [field for field in view_fields(cls.view) if field.name not in cls.leave_out]
        for field in shown:
            setattr(cls, _method_name(field), _column(field))
        cls.fields = (*cls.links, *(_method_name(field) for field in shown))
        cls.readonly_fields = cls.fields


def _method_name(field: ViewField) -> str:
    # With a prefix, because the admin prefers the field of the model, whose value may need translation.
    return f"view_{field.name}"


def _column(field: ViewField) -> Callable[[Any, Any], Any]:
    @admin.display(description=field.name.replace("_", " "), boolean=field.type is bool)
    def column(inline: ViewInline, row: Any) -> Any:
        return field.read(row)

    return column
