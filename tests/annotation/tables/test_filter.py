"""The filter of a job: the same rows on the page, in the CSV file, over REST and along the detail pages."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.http import urlencode

from annotation.models import Job, Role
from annotation.tables import substructure
from annotation.tables.filter_form import InvalidFilter, read_filter
from annotation.tables.matching import matching_items, ranges_around
from tests.annotation.builders import make_annotation, make_molecule, make_project, make_user
from tests.annotation.tables.batch import make_batch
from tests.annotation.web.dom import Dom, text

# The filter, and the numbers of the features that it matches.
FILTERS: list[tuple[dict[str, Any], set[int]]] = [
    ({}, {1, 2, 3, 4, 5, 6, 7}),
    ({"state": "failed"}, {6}),
    ({"state": "pending"}, {7}),
    ({"review": "none"}, {2, 3, 4, 5}),
    ({"review": "any"}, {1}),
    ({"review": "accept"}, {1}),
    ({"review": "reject"}, set()),
    ({"sure": "75"}, {1, 3}),
    ({"sure": "below"}, {4}),
    ({"sure": "none"}, {4}),
    ({"sure": "missing"}, {5}),
    ({"references": "disagree"}, {2, 4}),
    ({"references": "agree"}, {1}),
    ({"references": "none"}, {3, 5}),
    ({"mz_from": 190, "mz_to": 210}, {3, 5}),
    ({"mz": "195.0877\n207.138; 999"}, {3, 5}),
    ({"mz": "181.0495", "mz_ppm": 0.1}, {1}),
    ({"time_from": 61, "time_to": 120}, {2, 3}),
    ({"adduct": "[M+Na]+"}, {4}),
    ({"formula": "C8 H10 N4 O2"}, {3, 4}),
    ({"formula": "O2N4C8H10"}, {3, 4}),
    ({"smarts": "c1ccccc1"}, {1, 2, 5}),
    ({"smarts": "[CX3](=O)[OX2H1]", "sure": "50"}, {1, 2}),
    ({"smarts": "Cl"}, set()),
    ({"q": "nothing like it"}, set()),
    ({"sample": "S-7", "adduct": "[M+Na]+"}, {4}),
    ({"sample": "S"}, set()),
]


@pytest.fixture
def signed_in(db: None) -> tuple[Client, Job]:
    user = make_user()
    client = Client()
    client.force_login(user)
    return client, make_batch(make_project(user, Role.CURATOR), user)


def page_numbers(client: Client, job: Job, query: str) -> list[int]:
    dom = Dom(client.get(reverse("job-detail", args=[job.public_id]) + f"?{query}"))
    return [int(number) for number in dom.values("tr[data-number]", "data-number")]


def csv_numbers(client: Client, address: str) -> list[int]:
    lines = b"".join(client.get(address)).decode().splitlines()
    return [int(row["number"]) for row in csv.DictReader(lines)]


def test_page_csv_and_rest_have_the_same_rows(signed_in: tuple[Client, Job]) -> None:
    client, job = signed_in
    for values, expected in FILTERS:
        query = urlencode(values)
        dom = Dom(client.get(reverse("job-detail", args=[job.public_id]) + f"?{query}"))
        assert set(map(int, dom.values("tr[data-number]", "data-number"))) == expected, query
        # The button names the number of rows that its file has.
        button = dom.get("a[data-rows]")
        assert int(button.get("data-rows")) == len(expected), query
        assert csv_numbers(client, button.get("href")) == sorted(expected), query
        rest = client.get(reverse("api:job-results", args=[job.public_id]) + f"?{query}").json()["results"]
        assert [row["number"] for row in rest] == sorted(expected), query
        rest_csv = reverse("api:job-csv", args=[job.public_id]) + f"?{query}"
        assert csv_numbers(client, rest_csv) == sorted(expected), query


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("state=nonsense", "state"),
        ("mz_from=5&mz_to=4", "mz_to"),
        ("mz=abc", "mz"),
        ("mz_ppm=5", "mz_ppm"),
        ("formula=Hello", "formula"),
        ("smarts=c1ccc", "smarts"),
    ],
)
def test_a_wrong_filter_is_named(query: str, name: str, signed_in: tuple[Client, Job]) -> None:
    client, job = signed_in
    # The page marks the field, and neither the table nor the link of the file uses it.
    dom = Dom(client.get(reverse("job-detail", args=[job.public_id]) + f"?{query}"))
    assert dom.has(f"#id_{name}[aria-invalid=true]")
    assert len(dom.all("tr[data-number]")) == 7
    assert f"{name}=" not in dom.get("a[data-rows]").get("href")
    # A file is never made by a filter that is wrong.
    assert client.get(reverse("job-csv", args=[job.public_id]) + f"?{query}").status_code == 302
    for route in ("api:job-results", "api:job-csv"):
        answer = client.get(reverse(route, args=[job.public_id]) + f"?{query}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == f"/{name}"


def test_next_and_previous_stay_in_the_filtered_list(signed_in: tuple[Client, Job]) -> None:
    client, job = signed_in
    query = "sure=50&sort=-right"
    dom = Dom(client.get(reverse("job-detail", args=[job.public_id]) + f"?{query}"))
    address = dom.all("a[data-spectrum-title]")[0].get("href")
    walked = []
    while address:
        dom = Dom(client.get(address))
        walked.append(text(dom.get("[data-place]")).split()[0])
        following = dom.values("a[rel=next]", "href")
        if not following:
            assert dom.values("a[rel=prev]", "href")
        address = following[0] if following else ""
    assert walked == ["1", "2", "3"]
    # Back to the list as it was.
    assert f"?{query}#spectra" in dom.values("nav a, ol a", "href")[-1] or any(
        query in (href or "") for href in dom.values("a", "href")
    )


def test_review_stays_in_the_filtered_list(signed_in: tuple[Client, Job]) -> None:
    client, job = signed_in
    dom = Dom(client.get(reverse("job-detail", args=[job.public_id]) + "?references=disagree"))
    (address,) = [href for href in dom.values(".page-head a", "href") if "review" in href]
    assert len(Dom(client.get(address)).all("tr[data-annotation]")) == 2


def test_a_list_of_many_masses_is_one_search(signed_in: tuple[Client, Job]) -> None:
    _, job = signed_in
    masses = " ".join(str(100 + n / 5) for n in range(1000))
    chosen = read_filter(urlencode({"mz": masses, "mz_ppm": "20"}))
    assert sorted(matching_items(job, chosen).values_list("position", flat=True)) == []
    with pytest.raises(InvalidFilter, match="1001 m/z are too many"):
        read_filter(urlencode({"mz": masses + " 5"}))


def test_ranges_are_disjoint() -> None:
    assert ranges_around([100.0, 50.0, 100.001], 10) == [
        pytest.approx((49.9995, 50.0005)),
        pytest.approx((99.999, 100.00200001)),
    ]


def test_a_substructure_is_searched_once(
    signed_in: tuple[Client, Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, job = signed_in
    searched: list[str] = []
    search: Callable[[str, Job], list[int]] = substructure._search

    def count(smarts: str, in_job: Job) -> list[int]:
        searched.append(smarts)
        return search(smarts, in_job)

    monkeypatch.setattr(substructure, "_search", count)
    chosen = read_filter("smarts=n")
    assert matching_items(job, chosen).count() == matching_items(job, chosen).count() == 2
    assert searched == ["n"]


def test_a_search_that_never_ends_is_stopped(
    signed_in: tuple[Client, Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, job = signed_in
    monkeypatch.setattr(substructure, "WALL_S", 0.0)
    with pytest.raises(InvalidFilter, match="Use a simpler SMARTS"):
        matching_items(job, read_filter("smarts=[Se]"))


@pytest.mark.parametrize("formula", ["C7H16NO2", "C7H16NO2+"])
def test_a_formula_finds_the_molecules_of_permanent_ions(formula: str, db: None) -> None:
    job = make_batch()
    acetylcholine = make_molecule("CC(=O)OCC[N+](C)(C)C")
    assert acetylcholine.formula == "C7H16NO2+"
    item = job.items.get(state="pending")
    make_annotation(item, top_molecule=acetylcholine)
    assert list(matching_items(job, read_filter(urlencode({"formula": formula})))) == [item]
