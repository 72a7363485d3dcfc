"""No dead links: every link, picture and script that a page shows to a person opens for that person."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
from django.contrib.staticfiles import finders

from annotation.review.actions import decide
from tests.annotation.web.world import World


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {"a": "href", "img": "src", "script": "src", "link": "href"}
        self.found += [value for name, value in attrs if value and name in (names.get(tag), "hx-get")]


@pytest.mark.parametrize("person", ["viewer", "submitter", "curator", "stranger"])
def test_every_link_opens(person: str, world: World) -> None:
    decide(annotation=world.annotation, user=world.people["curator"], decision="accept", seen_verdict_id=None)
    client = world.client(person)
    waiting, seen, dead = ["/"], {"/"}, []
    while waiting:
        url = waiting.pop()
        response = client.get(url)
        if response.status_code == 302:  # such as "Run again with…", which leads to the filled-in report
            response = client.get(url, follow=True)
        may_be_forbidden = url.startswith("/submit/") and person in ("viewer", "curator")
        if response.status_code != 200 and not may_be_forbidden:
            dead.append((url, response.status_code))
        if not response.headers.get("Content-Type", "").startswith("text/html"):
            continue
        parser = Links()
        parser.feed(response.getvalue().decode())
        for link in parser.found:
            target = urlsplit(urljoin(url, link))
            assert not target.netloc, f"{url} links to another server: {link}"
            address = target.path + (f"?{target.query}" if target.query else "")
            if address.startswith("/static/"):
                assert finders.find(target.path.removeprefix("/static/")), f"{url} needs {link}"
            elif address not in seen and not address.startswith("/admin/"):
                seen.add(address)
                waiting.append(address)
    assert dead == []
    assert any(url.startswith("/annotations/") for url in seen) == (person != "stranger")
