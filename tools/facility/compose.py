"""The services of the compose files, as far as a trial run needs them.

Reading the files keeps the trial on the settings, commands and restrictions that facilities use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Service:
    """One service. Volumes are pairs of a volume or file and the folder or file in the container."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    volumes: tuple[tuple[str, str], ...]
    read_only: bool
    cap_drop: tuple[str, ...]
    security_opt: tuple[str, ...]
    stop_grace_s: int
    stop_signal: str


class _Loader(yaml.SafeLoader):
    """Knows Compose's `!reset`, which removes what an earlier file says."""


_RESET = object()
_Loader.add_constructor("!reset", lambda loader, node: _RESET)


def read_files(files: list[Path]) -> dict[str, Any]:
    """The files, each merged over the ones before it; `!reset` keys are gone."""
    merged: dict[str, Any] = {}
    for file in files:
        # The loader is a SafeLoader.
        merged = _merge(merged, yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader))
    return merged


def load_services(files: list[Path], variables: Mapping[str, str]) -> dict[str, Service]:
    """All services by name. Raises KeyError if a required variable is missing."""
    services = read_files(files)["services"]
    return {name: _service(name, services[name], variables) for name in services}


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Replace `${NAME}`, `${NAME:-default}` and `${NAME:?what to do}`."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        given = variables.get(name, "")
        if kind == "?" and not given:
            raise KeyError(f"{name}: {rest}")
        return given or (rest if kind == "-" else "")

    return _VARIABLE.sub(value, text)


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        if value is _RESET:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _service(name: str, written: dict[str, Any], variables: Mapping[str, str]) -> Service:
    volumes = [str(volume).split(":")[:2] for volume in written.get("volumes", [])]
    return Service(
        name=name,
        image=written["image"],
        command=tuple(interpolate(str(part), variables) for part in written.get("command", [])),
        environment={
            key: interpolate(str(value), variables) for key, value in written.get("environment", {}).items()
        },
        volumes=tuple((source, target) for source, target in volumes),
        read_only=written.get("read_only", False),
        cap_drop=tuple(written.get("cap_drop", [])),
        security_opt=tuple(written.get("security_opt", [])),
        stop_grace_s=int(str(written.get("stop_grace_period", "10s")).rstrip("s")),
        stop_signal=written.get("stop_signal", ""),
    )
