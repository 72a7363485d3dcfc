"""Every page and REST operation of the URL configuration, with hostile paths and queries: never a 500."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import cycle
from urllib.parse import quote

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from tests.annotation.web.world import World

pytestmark = pytest.mark.slow

# Percent-encoded: NUL and its like, invalid UTF-8, a surrogate, direction marks, other digits, large numbers.
HOSTILE = (
    "%00",
    "a%00b",
    "%1f%7f",
    "%ff%fe",
    "%ed%a0%80",
    "%e2%80%ae",
    "%d9%a3",
    "9" * 40,
    "-1",
    "%0d%0aSet:x",
)
MORE_HOSTILE = ("", "%25", "..%2f..%2fetc", "'%22%3c", "x" * 3000, "1e999", "NaN", "%c2%85")
NAMES = (
    "page",
    "project",
    "candidate",
    "member",
    "limit",
    "cursor",
    "atoms",
    "state",
    "upload",
    "q",
    "verdict",
)
MORE_NAMES = ("top", "format", "v", "p", "o", "e", "updated_since", "dry_run", "sort", "certainty", "%00")
CONVERTER = re.compile(r"<(?:\w+:)?\w+>")


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, route)
        elif isinstance(pattern, URLPattern):
            yield route.replace("^", "").replace("$", "")


def addresses(world: World) -> Iterator[str]:
    """Each route with real values and a hostile query, and with a hostile value in each of its places."""
    real = {"public_id": str(world.job.public_id), "job_id": str(world.job.public_id), "beam_rank": "1"}
    values, names = cycle(HOSTILE + MORE_HOSTILE), cycle(NAMES + MORE_NAMES)
    for route in sorted(set(routes(get_resolver()))):
        places = CONVERTER.findall(route)

        def fill(place: re.Match[str]) -> str:
            return real.get(place[0].strip("<>").rpartition(":")[2], "1")

        path = "/" + CONVERTER.sub(fill, route)
        for _ in range(2):
            yield f"{path}?{next(names)}={next(values)}&{next(names)}={next(values)}"
        yield path + "%00"
        for _ in range(3 if places else 0):
            value = next(values)
            yield "/" + CONVERTER.sub(value, route)


def test_no_address_fails_on_the_server(world: World) -> None:
    client = world.client("admin")
    client.raise_request_exception = False
    failed = []
    n_requests = 0
    for address in addresses(world):
        path, _, query = address.partition("?")
        for method in (client.get, client.post) if "?" not in address else (client.get,):
            response = method(quote(path, safe="/%"), QUERY_STRING=query)
            n_requests += 1
            if response.status_code >= 500 and not path.endswith(("/status", "/healthz")):
                failed.append((response.status_code, address[:200]))
    assert failed == []
    assert n_requests > 250


@pytest.mark.parametrize(
    ("address", "status"),
    [("/jobs/%00", 404), ("/jobs/?project=%00", 400), ("/api/v1/%01", 404), ("/api/v1/jobs?limit=a%00", 400)],
)
def test_control_characters_are_refused_as_the_callers_mistake(
    address: str, status: int, world: World
) -> None:
    response = world.client("admin").get(address)
    assert response.status_code == status
    if address.startswith("/api/"):
        assert response.headers["Content-Type"] == "application/problem+json"
