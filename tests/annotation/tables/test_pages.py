"""Pages by keyset: in every order each feature is on one page, forwards and backwards."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from annotation.models import Job
from annotation.tables import pages
from annotation.tables.filter_form import EVERYTHING, read_filter
from annotation.tables.order import SORTS, Order, read_order
from annotation.tables.pages import Place, load_page, neighbours, place_in_list
from tests.annotation.tables.batch import make_batch


@pytest.fixture
def job(db: None, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr(pages, "ROWS_PER_PAGE", 2)
    return make_batch()


def positions(job: Job, ids: list[int]) -> list[int]:
    by_id = dict(job.items.values_list("pk", "position"))
    return [by_id[pk] for pk in ids]


@pytest.mark.parametrize("key", [*SORTS, *(f"-{key}" for key in SORTS)])
def test_pages_in_every_order(key: str, job: Job) -> None:
    order = Order(key)
    values = dict(job.items.values_list("position", order.column))
    known = sorted(p for p, value in values.items() if value is not None)
    known.sort(key=lambda p: values[p], reverse=order.is_descending)  # stable: the position decides ties
    expected = known + sorted(p for p, value in values.items() if value is None)
    page = load_page(job, EVERYTHING, order)
    walked = [page]
    while page.following is not None:
        page = load_page(job, EVERYTHING, order, after=page.following)
        walked.append(page)
    assert [p for page in walked for p in positions(job, page.ids)] == expected
    assert [(page.first, page.total) for page in walked] == [(1, 7), (3, 7), (5, 7), (7, 7)]
    back = page
    for earlier in reversed(walked[:-1]):
        back = load_page(job, EVERYTHING, order, before=back.previous)
        assert (back.ids, back.first) == (earlier.ids, earlier.first)
    assert back.previous is None


def test_a_position_that_does_not_exist_gives_the_first_page(job: Job) -> None:
    assert load_page(job, EVERYTHING, Order("right"), after=999).first == 1
    assert load_page(job, EVERYTHING, Order(), after=999).first == 1
    assert read_order("nonsense") == read_order(None) == Order()


def test_neighbours_of_a_feature_that_the_filter_no_longer_matches(job: Job) -> None:
    first = job.items.get(position=0)  # it has a verdict
    found = neighbours(job, first, read_filter("review=none"), Order("-right"))
    assert found.previous is None
    assert place_in_list(job, first, read_filter("review=none"), Order("-right")) == Place(1, 4)
    assert found.following == job.items.get(position=2).annotation.public_id


def test_queries(job: Job, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_max_num_queries(2):
        load_page(job, EVERYTHING, Order())
    with django_assert_max_num_queries(6):
        load_page(job, read_filter("sure=50&mz_from=100"), Order("right"), after=2)
    item = job.items.get(position=1)
    with django_assert_max_num_queries(5):
        neighbours(job, item, EVERYTHING, Order("right"))
