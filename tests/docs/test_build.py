"""The built help pages: no warning, no dead link, and nothing that the content security policy refuses."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
from django.test import Client

from tools import tutorial_spectra

if TYPE_CHECKING:
    from pytest_django import Settings

ROOT = Path(__file__).resolve().parents[2]
LARGEST_PICTURE = 150_000
MOST_PICTURES = 8


class Page(HTMLParser):
    """Links and anchors of a page, and what a strict content security policy refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = {""}
        self.refused: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {values["id"]} if values.get("id") else set()  # type: ignore[arg-type]
        self.links += [value for name, value in attrs if value and name in ("href", "src")]
        if (tag == "script" and "src" not in values) or tag == "style":
            self.refused.append(tag)
        self.refused += [name for name in values if name == "style" or name.startswith("on")]


@pytest.fixture(scope="module")
def pages(built: Path) -> dict[str, Page]:
    """By address at /help/."""
    parsed = {}
    for file in built.rglob("*.html"):
        page = Page()
        page.feed(file.read_text(encoding="utf-8"))
        parsed[f"/help/{file.relative_to(built)}"] = page
    return parsed


def test_nothing_inline_and_nothing_from_other_hosts(pages: dict[str, Page]) -> None:
    assert len(pages) > 20
    refused = {url: page.refused for url, page in pages.items() if page.refused}
    assert refused == {}
    foreign = {link for page in pages.values() for link in page.links if urlsplit(link).netloc}
    assert foreign == set()


def test_every_link_opens(pages: dict[str, Page], built: Path, settings: Settings) -> None:
    settings.HELP_ROOT = built
    client, dead, opened = Client(), [], {"/"}
    for url, page in pages.items():
        for link in page.links:
            target, anchor = urldefrag(urljoin(url, link))
            if not target.startswith("/help/"):  # a page of the server
                opened.add(target)
                continue
            if target not in opened and client.get(target).status_code != 200:
                dead.append((url, link))
            opened.add(target)
            path = urlsplit(target).path
            if path in pages and anchor not in pages[path].anchors:
                dead.append((url, link))
    assert dead == []


def test_each_page_leads_back_to_the_server(pages: dict[str, Page]) -> None:
    for url, page in pages.items():
        assert "/" in {urljoin(url, link) for link in page.links}, url


def test_pictures_are_few_and_small() -> None:
    pictures = list((ROOT / "docs" / "pictures").iterdir())
    assert len(pictures) <= MOST_PICTURES
    assert {picture.name: picture.stat().st_size for picture in pictures
            if picture.stat().st_size > LARGEST_PICTURE} == {}  # fmt: skip


def test_the_tutorials_file_is_what_its_script_writes(tmp_path: Path) -> None:
    written = tmp_path / "six-spectra.mgf"
    with written.open("w", encoding="utf-8") as stream:
        tutorial_spectra.write(stream)
    # Other processors may differ in the last digits.
    assert _parts(written) == pytest.approx(_parts(tutorial_spectra.FILE), rel=1e-9)


def _parts(file: Path) -> dict[int, float]:
    """The numbers of a file, after a check that all other words are the same as in the tutorial's file."""
    words = file.read_text(encoding="utf-8").split()
    numbers = {index: float(word) for index, word in enumerate(words) if _is_number(word)}
    others = [word for index, word in enumerate(words) if index not in numbers]
    expected = [
        word for word in tutorial_spectra.FILE.read_text(encoding="utf-8").split() if not _is_number(word)
    ]
    assert others == expected
    return numbers


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).isdigit()
