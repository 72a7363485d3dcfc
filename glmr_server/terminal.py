"""What `make run` prints: one line for each step, with a counter for steps that can be counted."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class Terminal:
    """Uses colours and rewrites lines only on a terminal. In a log it prints plain lines."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._live = self._stream.isatty()
        self._last_share = -1.0

    def say(self, text: str = "") -> None:
        self._write(("\r\033[K" if self._live else "") + text + "\n")

    def warn(self, text: str) -> None:
        self.say(f"{self._coloured('33', '!')} {text}")

    def fail(self, text: str) -> None:
        self.say(f"{self._coloured('31', '✗')} {text}")

    def bold(self, text: str) -> str:
        return self._coloured("1", text)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show the title while the step runs, then how long it took."""
        began = time.monotonic()
        self._last_share = -1.0
        if self._live:
            self._write(f"  {title} …")
        try:
            yield
        except BaseException:
            self.fail(title)
            raise
        self.say(f"{self._coloured('32', '✓')} {title} ({time.monotonic() - began:.1f} s)")

    def progress(self, title: str, done: int, total: int) -> None:
        """A counter: redrawn in place on a terminal, otherwise one line for each tenth."""
        share = done / total if total else 1.0
        if self._live:
            filled = round(24 * share)
            self._write(f"\r\033[K  {title} [{'█' * filled}{'·' * (24 - filled)}] {done}/{total}")
        elif share - self._last_share >= 0.1 or (done == total and share != self._last_share):
            self._last_share = share
            self._write(f"  {title}: {done} of {total}\n")

    def _write(self, text: str) -> None:
        # A closed terminal must not prevent the services from being stopped.
        with contextlib.suppress(OSError):
            self._stream.write(text)
            self._stream.flush()

    def _coloured(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._live else text
