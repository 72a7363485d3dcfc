"""The columns and rows of the table are the person's choice, and stay chosen."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from annotation.models import Annotation, Job, Role
from annotation.results.probability_words import probability_words
from annotation.web.table_columns import DEFAULT_COLUMNS, TableLayout, make_layout, read_layout
from tests.annotation.builders import make_project, make_user
from tests.annotation.tables.batch import make_batch
from tests.annotation.web.dom import Dom


@pytest.fixture
def signed_in(db: None) -> tuple[Client, Job]:
    user = make_user()
    client = Client()
    client.force_login(user)
    return client, make_batch(make_project(user, Role.CURATOR), user)


def test_the_choice_is_kept(signed_in: tuple[Client, Job]) -> None:
    client, job = signed_in
    address = reverse("job-detail", args=[job.public_id]) + "?sort=-right"
    before = Dom(client.get(address))
    assert len(before.all("#spectra thead th")) == len(DEFAULT_COLUMNS) + 3
    assert all(cell.get("colspan") == "5" for cell in before.all("td[colspan]"))
    choice = {"column": ["right", "embedding"], "density": "compact", "next": address}
    response = client.post(reverse("table-layout"), choice)
    assert response.headers["Location"] == address
    after = Dom(client.get(address))
    assert len(after.all("#spectra thead th")) == 5
    assert after.has("table.spectra.compact")
    assert after.values("input[name=column][checked]", "value") == ["right", "embedding"]
    # The address of another host is not followed.
    elsewhere = client.post(reverse("table-layout"), choice | {"next": "https://example.org/"})
    assert elsewhere.headers["Location"] == "/"


def test_unknown_columns_are_left_out() -> None:
    assert read_layout({}) == TableLayout()
    assert read_layout({"glmr_table": "tiny.right.<b>"}) == TableLayout(("right",), "comfortable")
    assert make_layout([], "compact").columns == ()
    assert read_layout({"glmr_table": make_layout([], "compact").cookie}) == TableLayout((), "compact")


def test_queries_of_the_page(
    signed_in: tuple[Client, Job], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client, job = signed_in
    address = reverse("job-detail", args=[job.public_id])
    with django_assert_max_num_queries(19):
        client.get(address)
    with django_assert_max_num_queries(24):
        client.get(f"{address}?smarts=n&sort=-right&mz_from=100&after=2")


@pytest.mark.parametrize(
    ("p_right", "n_candidates", "abstains", "words"),
    [
        (None, 3, None, ""),
        (0.97, 3, False, "very likely"),
        (0.86, 3, False, "likely"),
        (0.86, 3, True, "likely, if the library has it"),
        (0.3, 3, True, "uncertain"),
        (0.05, 3, True, "unlikely"),
        (0.97, 1, False, "only candidate, not compared"),
    ],
)
def test_words_follow_the_number(
    p_right: float | None, n_candidates: int, abstains: bool | None, words: str
) -> None:
    row = Annotation(p_right=p_right, n_candidates=n_candidates, abstains=abstains)
    assert probability_words(row) == words
