"""How a child process can fail."""

from __future__ import annotations

from typing import Literal

MIB = 1024 * 1024
OUT_OF_MEMORY = "The reading process exceeded its memory limit."
Kind = Literal["memory", "time", "crash"]


class IsolationError(Exception):
    """The child ran out of memory or time, or crashed. Items that arrived before are valid."""

    def __init__(self, kind: Kind, message: str, detail: str = "") -> None:
        super().__init__(kind, message, detail)
        self.kind = kind
        self.message = message
        self.detail = detail  # the end of the child's stderr, for the log

    def __str__(self) -> str:
        return self.message
