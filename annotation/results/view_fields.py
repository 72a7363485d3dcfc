"""What the fields of a view declare about themselves: where a value comes from and where it is shown.

A view is a frozen dataclass. Its fields are annotated as `Annotated[type, ...]` with any of a `Source`, a
`Column` and a help text (a plain string). This module reads those declarations; `results.view` has the views.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    View = TypeVar("View", bound=DataclassInstance)
else:
    View = TypeVar("View")


@dataclass(frozen=True, slots=True)
class Source:
    """The attribute of the database row that holds the value, as a dotted path. Default: the field's name."""

    path: str
    convert: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """The field is a column of the CSV and JSON exports, named like the field by default.

    `fallback` is a dotted path in `ResultView` for rows where the part that holds the field is missing.
    """

    name: str = ""
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class ViewField:
    """One field of a view, with everything that it declares."""

    name: str
    type: Any  # without None
    is_optional: bool
    source: Source
    column: Column | None
    help: str

    def read(self, row: object) -> Any:
        """The value in a database row; None where a relation on the path is null."""
        value = follow(row, self.source.path)
        return self.source.convert(value) if self.source.convert else value


@cache
def view_fields(view: type) -> tuple[ViewField, ...]:
    """The fields of a view in the order of their declaration."""
    hints = get_type_hints(view, include_extras=True)
    return tuple(_view_field(field.name, hints[field.name]) for field in fields(view))


def _view_field(name: str, hint: Any) -> ViewField:
    hint, *declared = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    column = next((item for item in declared if isinstance(item, Column)), None)
    source = next((item for item in declared if isinstance(item, Source)), Source(name))
    help_text = next((item for item in declared if isinstance(item, str)), "")
    plain, is_optional = _without_none(hint)
    return ViewField(name, plain, is_optional, source, column, help_text)


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    (plain,) = (item for item in get_args(hint) if item is not types.NoneType)
    return plain, True


def follow(start: object, path: str) -> Any:
    """The value at a dotted path of attributes; None as soon as a part of the path is None."""
    value = start
    for name in path.split("."):
        if value is None:
            return None
        value = getattr(value, name)
    return value


def from_row(view: type[View], row: object, **given: Any) -> View:
    """The view of a database row. `given` holds the fields that the row lacks. Relations must be loaded."""
    values = {field.name: field.read(row) for field in view_fields(view) if field.name not in given}
    return view(**values, **given)


def as_dict(view: DataclassInstance, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The fields by name. Nested views stay as they are."""
    return {field.name: getattr(view, field.name) for field in fields(view) if field.name not in leave_out}
