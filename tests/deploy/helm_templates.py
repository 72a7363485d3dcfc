"""Renders the templates of the Helm chart, in a test without helm.

No package registry that the project uses has helm. So the chart uses only the part of its language that is
here: values, `quote`, `toYaml`, `nindent`, `include`, `define`, `if` and `if not`. Anything else is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_ACTION = re.compile(r"\{\{(-?)\s*(.*?)\s*(-?)\}\}", re.DOTALL)


class Chart:
    """The templates below a folder, and the values that they are rendered with."""

    def __init__(self, folder: Path, values: Mapping[str, Any], release: str) -> None:
        self._context = {"Values": values, "Release": {"Name": release}}
        self._defined: dict[str, list[tuple[str, str]]] = {}
        self._files = {
            file.name: _parts(file.read_text()) for file in sorted((folder / "templates").iterdir())
        }
        for parts in self._files.values():
            self._collect(parts)

    def manifests(self) -> list[dict[str, Any]]:
        """Every document of all files. Raises ValueError for what this renderer does not know."""
        text = "\n---\n".join(
            self._render(parts) for name, parts in self._files.items() if not name.startswith("_")
        )
        return [document for document in yaml.safe_load_all(text) if document]

    def _collect(self, parts: list[tuple[str, str]]) -> None:
        name, depth = "", 0
        for kind, text in parts:
            if kind == "action" and text.startswith("define "):
                name = text.split('"')[1]
                self._defined[name] = []
                continue
            if kind == "action" and text == "end" and depth == 0:
                name = ""
                continue
            if kind == "action":
                depth += text.startswith("if ") - (text == "end")
            if name:
                self._defined[name].append((kind, text))

    def _render(self, parts: list[tuple[str, str]]) -> str:
        written: list[str] = []
        shown = [True]
        for kind, text in parts:
            if kind == "text":
                if all(shown):
                    written.append(text)
            elif text.startswith("if not "):
                shown.append(not self._value(text.removeprefix("if not ")))
            elif text.startswith("if "):
                shown.append(bool(self._value(text.removeprefix("if "))))
            elif text == "end":
                shown.pop()
            elif all(shown):
                written.append(self._pipeline(text))
        if len(shown) != 1:
            raise ValueError("An `if` has no `end`.")
        return "".join(written)

    def _pipeline(self, text: str) -> str:
        first, *filters = (step.strip() for step in text.split("|"))
        value: Any
        if first.startswith("toYaml "):
            value = yaml.safe_dump(self._value(first.removeprefix("toYaml ")), sort_keys=False).rstrip()
        elif found := re.fullmatch(r'include "([\w.]+)" \.', first):
            value = self._render(self._defined[found[1]]).strip()
        else:
            value = self._value(first)
        for step in filters:
            if step == "quote":
                value = f'"{value}"'
            elif found := re.fullmatch(r"nindent (\d+)", step):
                value = "".join(f"\n{' ' * int(found[1])}{line}" for line in str(value).splitlines())
            else:
                raise ValueError(f"The renderer does not know {step!r}.")
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _value(self, path: str) -> Any:
        if not re.fullmatch(r"(\.\w+)+", path):
            raise ValueError(f"The renderer does not know {path!r}.")
        value: Any = self._context
        for key in path[1:].split("."):
            if key not in value:
                raise ValueError(f"{path} is not in values.yaml.")
            value = value[key]
        return value


def _parts(text: str) -> list[tuple[str, str]]:
    """Texts and actions in order; a dash at an action removes the white space on its side."""
    parts: list[tuple[str, str]] = []
    end, trim = 0, False
    for found in _ACTION.finditer(text):
        before = text[end : found.start()]
        before = before.lstrip() if trim else before
        parts += [("text", before.rstrip() if found[1] else before), ("action", found[2])]
        end, trim = found.end(), bool(found[3])
    rest = text[end:]
    return [*parts, ("text", rest.lstrip() if trim else rest)]
