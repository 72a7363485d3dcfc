"""The filter of a job's features in a REST address: the same parameters as in the address of the page."""

from __future__ import annotations

from typing import Any

from django import forms
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from annotation.tables.filter_form import InvalidFilter, ResultFilter, ResultFilterForm, read_filter


def requested_filter(request: Request) -> ResultFilter:
    """Raises ValidationError (422) with a pointer to each wrong parameter."""
    try:
        return read_filter(request.query_params)
    except InvalidFilter as invalid:
        raise refused(invalid) from None


def refused(invalid: InvalidFilter) -> serializers.ValidationError:
    return serializers.ValidationError(dict(invalid.errors))


def _parameter(name: str, field: forms.Field) -> OpenApiParameter:
    is_number = isinstance(field, forms.FloatField | forms.IntegerField)
    kind = OpenApiTypes.INT if type(field) is forms.IntegerField else OpenApiTypes.NUMBER
    choices: Any = getattr(field, "choices", None)
    return OpenApiParameter(
        name,
        kind if is_number else OpenApiTypes.STR,
        enum=[value for value, _ in choices if value] if choices else None,
        description=f"{field.label}. {field.help_text}".strip(),
    )


FILTER_PARAMETERS = [_parameter(name, field) for name, field in ResultFilterForm.base_fields.items()]
