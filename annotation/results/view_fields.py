"""What the fields of a view declare about themselves: where a value comes from and where it is shown.

A view is a frozen dataclass. Its fields are annotated as `Annotated[type, ...]` with any of a `Source`, a
`Column` and a help text (a plain string). This module reads those declarations; `results.view` has the views.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from operator import attrgetter
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
    column: Column | None
    help: str
    read: Callable[[object], Any]  # the value in a database row; None where a relation on the path is null


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
    return ViewField(name, plain, is_optional, column, help_text, _reader(source))


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    (plain,) = (item for item in get_args(hint) if item is not types.NoneType)
    return plain, True


def _reader(source: Source) -> Callable[[object], Any]:
    get, convert = follower(source.path), source.convert
    return get if convert is None else lambda row: convert(get(row))


def follower(path: str) -> Callable[[object], Any]:
    """Reads the value at a dotted path of attributes: None as soon as a part of the path is None."""
    names = path.split(".")
    if len(names) == 1:
        return attrgetter(path)

    def follow(start: object) -> Any:
        value = start
        for name in names:
            if value is None:
                return None
            value = getattr(value, name)
        return value

    return follow


def from_row(view: type[View], row: object, **given: Any) -> View:
    """The view of a database row. `given` holds the fields that the row lacks. Relations must be loaded."""
    readers = _readers(view, frozenset(given))
    return view(**{name: read(row) for name, read in readers}, **given)


@cache
def _readers(view: type, given: frozenset[str]) -> tuple[tuple[str, Callable[[object], Any]], ...]:
    """Prepared once, because an export makes many thousand views."""
    return tuple((field.name, field.read) for field in view_fields(view) if field.name not in given)


def as_dict(view: DataclassInstance, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The fields by name. Nested views stay as they are."""
    return {field.name: getattr(view, field.name) for field in fields(view) if field.name not in leave_out}
