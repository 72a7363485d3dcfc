"""Pages as trees of elements: tests find elements by CSS selector and check states, not sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from lxml import html


class Response(Protocol):
    """What tests need of a response, whichever class the test client gives it."""

    status_code: int

    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> bytes: ...


class Dom:
    """The elements of a page, or of the part of a page that a view returns."""

    def __init__(self, response: Response) -> None:
        self.root: Any = html.document_fromstring(response.content.decode())

    def all(self, selector: str) -> list[Any]:
        found: list[Any] = self.root.cssselect(selector)
        return found

    def get(self, selector: str) -> Any:
        """The only element that matches."""
        found = self.all(selector)
        assert len(found) == 1, f"{len(found)} elements match {selector!r}"
        return found[0]

    def has(self, selector: str) -> bool:
        return bool(self.all(selector))

    def text(self, selector: str = "body") -> str:
        """The text of the only element that matches, with single spaces between words."""
        return text(self.get(selector))

    def values(self, selector: str, attribute: str) -> list[str]:
        """The attribute of each element that matches, in the order of the page."""
        return [element.get(attribute) for element in self.all(selector)]


def text(element: Any) -> str:
    return " ".join(element.text_content().split())
