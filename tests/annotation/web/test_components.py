"""Components escape what they get, and pass on the markup of their content unchanged."""

from __future__ import annotations

import pytest
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.template import RequestContext, Template
from django.test import RequestFactory

from annotation.templatetags.components import parameters
from tests.annotation.web.dom import Dom
from tests.annotation.web.world import World

HOSTILE = '"><script>alert(1)</script>'


def render(source: str, **context: object) -> Dom:
    request = RequestFactory().get("/", {"page": "2", "sort": "-margin"})
    text = Template("{% load components %}" + source).render(RequestContext(request, context))
    return Dom(HttpResponse(text))


@pytest.mark.parametrize(
    "source",
    [
        "{% card value value aside=value %}{{ value }}{% endcard %}",
        "{% fragment as heading %}{{ value }}{% endfragment %}{% card heading heading %}{% endcard %}",
        "{% notice value value %}{{ value }}{% endnotice %}",
        "{% placeholder value value %}{{ value }}{% endplaceholder %}",
        "{% data_table value css=value %}<tr><td>{{ value }}</td></tr>{% enddata_table %}",
        "{% badge value value value %}",
        "{% metric value value value %}",
        "{% sha256 value %}{% sha256 value full=True %}",
        "{% structure_at value value %}",
        "{% post_button value value %}",
    ],
)
def test_values_are_escaped(source: str) -> None:
    dom = render(source, value=HOSTILE)
    assert not dom.has("script")
    assert "alert(1)" in "".join(dom.root.itertext()) or dom.has('[src*="alert(1)"]')


def test_a_card_is_labelled_by_its_heading() -> None:
    dom = render('{% card "Workers" "workers" aside="3" level=3 %}<p>Alive</p>{% endcard %}')
    card = dom.get("section#workers")
    assert dom.text(f"h3#{card.get('aria-labelledby')}") == "Workers"
    assert dom.text("section > p") == "Alive"


def test_a_table_can_be_reached_by_keyboard_and_has_a_name() -> None:
    region = render('{% data_table "Jobs" %}{% enddata_table %}').get("[role=region]")
    assert (region.get("tabindex"), region.get("aria-label")) == ("0", "Jobs")


def test_the_pager_keeps_the_other_parameters() -> None:
    page = Paginator(range(60), 20).get_page(2)
    dom = render('{% pager page "jobs" %}', page=page)
    assert dom.values("a", "href") == ["?page=1&sort=-margin", "?page=3&sort=-margin"]
    assert dom.text("p") == "Jobs: 21–40 of 60"


def test_sorting_by_a_heading_reverses_it_and_goes_to_the_first_page() -> None:
    heading = '{% sort_heading "margin" "Margin" %}'
    assert render(heading, sort="-margin").values("a", "href") == ["?sort=margin"]
    assert render(heading, sort="margin").values("a", "href") == ["?sort=-margin"]


def test_parameters_are_shown_in_words() -> None:
    params = {"beam_size": 5, "generate": False, "without_channel": "", "seed": 0}
    adducts = {"assumed_adducts": {"positive": "[M+H]+", "negative": "[M-H]-"}}
    assert parameters(params | adducts)["pairs"] == [
        ("beam size", "5"),
        ("generate", "no"),
        ("without channel", "none"),
        ("seed", "0"),
        ("assumed adducts", "positive [M+H]+, negative [M-H]-"),
    ]


@pytest.mark.parametrize(("person", "status"), [("viewer", 403), ("curator", 403), ("admin", 200)])
def test_only_staff_see_the_page_of_components(person: str, status: int, world: World) -> None:
    assert world.client(person).get("/components/").status_code == status


def test_the_page_shows_components_in_all_their_kinds(world: World) -> None:
    dom = Dom(world.client("admin").get("/components/"))
    assert {"badge", "btn", "notice", "empty", "chart"} <= set(
        " ".join(dom.values("[class]", "class")).split()
    )
    assert dom.has("ul.errorlist")
