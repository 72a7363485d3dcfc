"""Settings as JSON: read from a file, written beside a run, compared when a stage resumes.

Needs the standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path, PurePath
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from models_ml.training.settings import MAY_CHANGE_ON_RESUME, StageSettings

S = TypeVar("S")

_NOT_RECORDED = frozenset(
    {"data", "run", "source", "checkpoint", "device", "threads", "fresh", "check_every", "seeds"}
)
_OPTIONAL_PATHS = frozenset({"warm_start", "simulated", "channels_of"})


class BadSettings(ValueError):
    """A settings file cannot be read, or a stage cannot resume with these settings."""


def read_settings(path: Path, settings_class: type[S]) -> S:
    """Missing settings take their default. Relative paths start at the working directory.

    Raises BadSettings, which names the file and the setting.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadSettings(f"{path} does not exist.") from None
    except json.JSONDecodeError as error:
        raise BadSettings(f"{path} is not JSON: {error}.") from None
    try:
        return from_json(settings_class, values)
    except ValueError as error:
        raise BadSettings(f"{path}: {error}") from None


def write_settings(path: Path, settings: Any) -> None:
    path.write_text(json.dumps(to_json(settings), indent=2) + "\n", encoding="utf-8")


def to_json(settings: Any) -> dict[str, Any]:
    """A settings dataclass as JSON values. Paths become strings."""
    return {item.name: _plain(getattr(settings, item.name)) for item in fields(settings)}


def from_json(settings_class: type[S], values: Any) -> S:
    """Raises ValueError on an unknown or missing setting and on a value of the wrong type."""
    if not isinstance(values, dict):
        raise ValueError("expected a JSON object with one key for each setting.")
    hints = get_type_hints(settings_class)
    items = fields(settings_class)  # type: ignore[arg-type]
    names = [item.name for item in items]
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise ValueError(f"unknown settings: {', '.join(unknown)}. Known are: {', '.join(names)}.")
    required = [item.name for item in items if item.default is MISSING and item.default_factory is MISSING]
    missing = [name for name in required if name not in values]
    if missing:
        raise ValueError(f"required settings are missing: {', '.join(missing)}.")
    return settings_class(**{name: _typed(name, value, hints[name]) for name, value in values.items()})


def check_resume(settings: StageSettings, saved_file: Path) -> list[str]:
    """Compare with the settings of the saved state. Returns the changes that are allowed, as text.

    Raises BadSettings if any other setting has changed. Of a path only the last part counts, so that folders
    may move between machines. A state of an older version has no settings file and is not compared.
    """
    if not saved_file.exists():
        return [f"{saved_file} is missing, so the settings are not compared with those of the saved state"]
    saved = read_settings(saved_file, type(settings))
    changed: dict[str, str] = {}
    for item in fields(settings):
        before, now = getattr(saved, item.name), getattr(settings, item.name)
        if _comparable(before) != _comparable(now):
            changed[item.name] = f"{item.name} {_plain(before)} -> {_plain(now)}"
    refused = [text for name, text in changed.items() if name not in MAY_CHANGE_ON_RESUME]
    if refused:
        raise BadSettings(
            f"The saved state has other settings than this call: {'; '.join(refused)}. To resume, use those "
            f"in {saved_file} (--settings {saved_file}). To start over, add --fresh."
        )
    return list(changed.values())


def provenance(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Saved settings as a checkpoint records them, without the paths and devices of the training machine.

    An optional path becomes whether there was one, a list of paths its length. Values that an older version
    saved in this form stay as they are.
    """
    recorded = {name: value for name, value in saved.items() if name not in _NOT_RECORDED}
    for name in _OPTIONAL_PATHS & recorded.keys():
        if recorded[name] is None or isinstance(recorded[name], str):
            recorded[name] = recorded[name] is not None
    if isinstance(recorded.get("cross_fitted"), list):
        recorded["cross_fitted"] = len(recorded["cross_fitted"])
    return recorded


def _plain(value: Any) -> Any:
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return to_json(value)
    return value


def _comparable(value: Any) -> Any:
    if isinstance(value, PurePath):
        return value.name
    return [_comparable(item) for item in value] if isinstance(value, tuple) else value


def _typed(name: str, value: Any, hint: Any) -> Any:
    """A JSON value as the type of its field: a plain type, Path, X | None, tuple[X, ...] or a dataclass."""
    if get_origin(hint) is UnionType:
        (inner,) = (option for option in get_args(hint) if option is not NoneType)
        return None if value is None else _typed(name, value, inner)
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_typed(name, item, get_args(hint)[0]) for item in value)
    if isinstance(hint, type) and is_dataclass(hint) and isinstance(value, dict):
        return from_json(hint, value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise ValueError(f"{name}: expected {getattr(hint, '__name__', hint)}, not {json.dumps(value)}.")
