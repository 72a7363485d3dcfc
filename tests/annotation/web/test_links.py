"""No dead link: from the first page, every link, picture and script that a role is shown opens for it."""

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


@pytest.mark.parametrize("who", ["viewer", "submitter", "curator", "stranger"])
def test_every_link_opens(who: str, world: World) -> None:
    decide(annotation=world.annotation, user=world.people["curator"], decision="accept", seen_verdict_id=None)
    client = world.client(who)
    waiting, seen, dead = ["/"], {"/"}, []
    while waiting:
        url = waiting.pop()
        response = client.get(url)
        if response.status_code != 200 and not (url.startswith("/submit/") and who in ("viewer", "curator")):
            dead.append((url, response.status_code))
        if not response.headers.get("Content-Type", "").startswith("text/html"):
            continue
        parser = Links()
        parser.feed(response.content.decode())
        for link in parser.found:
            target = urlsplit(urljoin(url, link))
            assert not target.netloc, f"{url} leads out of the server: {link}"
            address = target.path + (f"?{target.query}" if target.query else "")
            if address.startswith("/static/"):
                assert finders.find(target.path.removeprefix("/static/")), f"{url} wants {link}"
            elif address not in seen and not address.startswith("/admin/"):
                seen.add(address)
                waiting.append(address)
    assert dead == []
    assert any(url.startswith("/annotations/") for url in seen) == (who != "stranger")
