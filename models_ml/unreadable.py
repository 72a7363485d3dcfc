"""The refusal of a whole file: what is wrong, where, and how to mend it."""

from __future__ import annotations


class UnreadableFile(Exception):
    """No record of the file can be read. ``str()`` joins the three parts into one message for people."""

    def __init__(self, what: str, where: str, remedy: str) -> None:
        super().__init__(what, where, remedy)  # all three in args, so that it survives pickling
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.where}: {self.what} {self.remedy}" if self.where else f"{self.what} {self.remedy}"
