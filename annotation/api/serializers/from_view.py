"""Serializers for answers: with fields derived from the views of a result, or from a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.db.models import Choices, Model
from rest_framework import serializers

from annotation.results.view_fields import ViewField, view_fields

Row = TypeVar("Row", bound=Model)
Field = serializers.Field[Any, Any, Any, Any]
# The field of Django REST framework for each type that a view's field may have.
FIELDS: dict[Any, Callable[..., Field]] = {
    bool: serializers.BooleanField,
    int: serializers.IntegerField,
    float: serializers.FloatField,
    str: serializers.CharField,
    UUID: serializers.UUIDField,
    datetime: serializers.DateTimeField,
    dict[str, Any]: serializers.DictField,
    dict[str, float]: lambda **options: serializers.DictField(child=serializers.FloatField(), **options),
    dict[str, str]: lambda **options: serializers.DictField(child=serializers.CharField(), **options),
    tuple[float, ...]: lambda **options: serializers.ListField(child=serializers.FloatField(), **options),
    tuple[str, ...]: lambda **options: serializers.ListField(child=serializers.CharField(), **options),
}


class ViewSerializer(serializers.Serializer[Any]):
    """Shows every plain field of the `views`. Nested views and lists of views are declared by hand.

    `views` maps an attribute of the serialized object to the view that it holds; "" is the object itself.
    """

    views: ClassVar[Mapping[str, type]]
    leave_out: ClassVar[frozenset[str]] = frozenset()

    def get_fields(self) -> dict[str, Field]:
        declared = super().get_fields()
        fields = {
            field.name: declared.get(field.name) or _rest_field(field, attribute)
            for attribute, view in self.views.items()
            for field in view_fields(view)
            if field.name in declared or not (field.name in self.leave_out or _is_nested(field))
        }
        return fields | declared


class ReadOnlyModelSerializer(serializers.ModelSerializer[Row]):
    """Shows a row. Every field is always present, which the OpenAPI schema states as required."""

    def get_fields(self) -> dict[str, Field]:
        fields = super().get_fields()
        for field in fields.values():
            field.read_only = True
        return fields


def _is_nested(field: ViewField) -> bool:
    """Whether the field holds a view or a tuple of views."""
    arguments = getattr(field.type, "__args__", ())
    return any(is_dataclass(part) for part in (field.type, *arguments))


def _rest_field(field: ViewField, attribute: str) -> Field:
    options: dict[str, Any] = {"help_text": field.help} if field.help else {}
    options["allow_null"] = field.is_optional
    if attribute:
        options["source"] = f"{attribute}.{field.name}"
    if isinstance(field.type, type) and issubclass(field.type, Choices):
        return serializers.ChoiceField(choices=field.type.choices, **options)
    return FIELDS[field.type](**options)
