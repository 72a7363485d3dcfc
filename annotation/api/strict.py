"""Refuses fields and parameters that an operation does not have, and names the nearest that it has.

What an operation has is read from its `extend_schema`, so the OpenAPI schema and the check cannot differ.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView

Errors = dict[str, list[str]]

# A request with more mistakes gets the first ones: nobody reads more, and the search for names takes time.
MOST_ERRORS = 100
_LONGEST_NAME = 80
FIELDS = "fields"  # the parameter for sparse answers


def unknown_names(names: Iterable[object], known: Iterable[str], noun: str = "field") -> Errors:
    """An error for each name that is not known, with the most similar known name. In order."""
    possible = tuple(known)
    errors: Errors = {}
    for name in map(str, names):
        if name not in possible and len(errors) < MOST_ERRORS:
            errors[name] = [_unknown(name, possible, noun)]
    return errors


def _unknown(name: str, known: tuple[str, ...], noun: str) -> str:
    shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
    similar = difflib.get_close_matches(name[:_LONGEST_NAME].lower(), known, n=1)
    if similar:
        return f"{shown}: unknown {noun}. Did you mean {similar[0]}?"
    if not known:
        return f"{shown}: unknown {noun}. This operation takes none. Leave it out."
    return f"{shown}: unknown {noun}. Known: {', '.join(known)}."


class StrictSerializer(serializers.Serializer[Any]):
    """Part of a request body. A field that it does not declare is an error."""

    def to_internal_value(self, data: Any) -> Any:
        """Raises ValidationError with the errors of known and unknown fields together."""
        errors = unknown_names(data, self.fields) if isinstance(data, Mapping) else {}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as invalid:
            raise serializers.ValidationError({**dict(invalid.detail), **errors}) from None  # type: ignore[arg-type]
        if errors:
            raise serializers.ValidationError(errors)
        return values


def check_request(view: APIView, request: Request) -> None:
    """Raises ValidationError for parameters of the address, or a body, that the operation does not have."""
    handler = getattr(view, (request.method or "").lower(), None)
    declared = getattr(handler, "kwargs", {}).get("schema")
    if declared is None:
        return
    schema = declared()
    schema.view = view
    known = _query_names(schema.get_override_parameters())
    errors = unknown_names(request.query_params, known, "parameter")
    if FIELDS in request.query_params and FIELDS not in errors:
        unknown = unknown_names(chosen_fields(request), _answer_fields(schema.get_response_serializers()))
        if unknown:
            errors[FIELDS] = [text for texts in unknown.values() for text in texts]
    if request.method == "DELETE" or (
        request.method in ("POST", "PUT", "PATCH") and schema.get_request_serializer() is None
    ):
        errors |= _fields_of_empty_body(request)
    if errors:
        raise serializers.ValidationError(errors)


def chosen_fields(request: Request) -> tuple[str, ...]:
    """The fields that the caller wants in the answer. Empty: all."""
    return tuple(name for name in request.query_params.get(FIELDS, "").split(",") if name)


def sparse(data: Any, chosen: tuple[str, ...]) -> Any:
    """The answer, or each row of a page, with only the chosen fields. In their usual order."""
    if not chosen or not isinstance(data, Mapping):
        return data
    if isinstance(data.get("results"), list) and "next" in data:
        return {**data, "results": [_only(row, chosen) for row in data["results"]]}
    return _only(data, chosen)


def _only(row: Mapping[str, Any], chosen: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in chosen}


def _answer_fields(responses: Any) -> tuple[str, ...]:
    """Fields of the answer 200, or of the rows of a page."""
    answer = responses[200]
    fields = (answer() if isinstance(answer, type) else answer).fields
    rows = fields.get("results") if "next" in fields else None
    return tuple(rows.child.fields if rows is not None else fields)


def _query_names(parameters: Iterable[Any]) -> list[str]:
    names: list[str] = []
    for parameter in parameters:
        if not isinstance(parameter, OpenApiParameter):
            names += parameter().fields
        elif parameter.location == OpenApiParameter.QUERY:
            names.append(parameter.name)
    return names


def _fields_of_empty_body(request: Request) -> Errors:
    """The operation has no body. An empty one, {} and null are fine."""
    data = request.data
    if isinstance(data, Mapping):
        return unknown_names(data, ())
    return (
        {} if data in (None, "", []) else {"non_field_errors": ["This operation takes no body. Send none."]}
    )
