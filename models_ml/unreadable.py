"""The error for a file that cannot be read at all."""

from __future__ import annotations


class UnreadableFile(Exception):
    """No record of the file can be read, or no further record: what is wrong, where, and how to fix it.

    `what` has no full stop. ``str()`` joins the three parts into one message for people.
    """

    def __init__(self, what: str, where: str, remedy: str) -> None:
        super().__init__(what, where, remedy)  # all three in args, so that it survives pickling
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        position = f" ({self.where})" if self.where else ""
        return f"{self.what}{position}. {self.remedy}"
