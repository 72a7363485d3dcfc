"""Admin pages for records that are written once and never edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

if TYPE_CHECKING:
    BaseModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    BaseModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline


class ModelAdmin(BaseModelAdmin):
    """Django's, but a query such as `?project=x` on a form for a new row is ignored instead of a 500."""

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        keys = {field.name: field for field in self.opts.concrete_fields if field.is_relation}
        return {name: value for name, value in initial.items() if _is_key(keys.get(name), value)}


def _is_key(field: Any, value: Any) -> bool:
    """Whether the value can be a key of the related rows. Fields without a relation check themselves."""
    try:
        if field is not None:
            field.target_field.to_python(value)
    except ValidationError:
        return False
    return True


class ReadOnly:
    """Nobody can add, change or delete rows. To view them needs the usual permission."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, ModelAdmin):
    # Counting a million rows for every page is slow and of no use.
    show_full_result_count = False


class ReadOnlyInline(ReadOnly, TabularInline):
    extra = 0
    can_delete = False
