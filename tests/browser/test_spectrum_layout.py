"""The layout rules of the spectrum plot: ranges, ticks and labels. Pure functions, called in the browser."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    Call = Callable[..., Any]

MODULE = Path(__file__).parents[2] / "annotation/static/annotation/spectrum_layout.js"
BOUNDS = {"left": 46, "right": 946}


@pytest.fixture(scope="module")
def call(browser: Browser) -> Iterator[Call]:
    """Calls a function that the module exports, with arguments and a result that JSON can hold."""
    url = "data:text/javascript;base64," + base64.b64encode(MODULE.read_bytes()).decode()
    page = browser.new_page()

    def call_export(name: str, *args: object) -> Any:
        return page.evaluate(
            "async ([url, name, args]) => (await import(url))[name](...args)", [url, name, args]
        )

    yield call_export
    page.close()


def stick(x: float, y: float, percent: float, formula: str | None = None) -> dict[str, Any]:
    peak = {"mz": x, "percent": percent} | ({"formula": formula} if formula else {})
    return {"peak": peak, "x": x, "y": y}


def labels(call: Call, *sticks: dict[str, Any]) -> list[str]:
    return [label["text"] for label in call("placeLabels", sticks, BOUNDS)]


@pytest.mark.parametrize(
    ("mz", "precursor", "expected"),
    [
        ([], None, (0, 100)),
        ([100.0, 200.0], None, (96, 204)),
        ([100.0, 200.0], 300.0, (92, 308)),
        ([1.0], None, (0, 3)),  # never below 0
        ([], 181.0, (179, 183)),
    ],
)
def test_the_full_range_holds_all_peaks_and_the_precursor(
    mz: list[float], precursor: float | None, expected: tuple[float, float], call: Call
) -> None:
    full = call("fullRange", [{"mz": value} for value in mz], precursor)
    assert (full["low"], full["high"]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ((120, 140), (120, 140)),
        ((50, 150), (100, 200)),  # moves inside, with its width
        ((0, 900), (100, 300)),
        ((150, 150), (150, 150.05)),  # not narrower than that
        ((295, 305), (290, 300)),
    ],
)
def test_a_range_is_kept_inside_the_full_range(
    requested: tuple[float, float], expected: tuple[float, float], call: Call
) -> None:
    low, high = requested
    found = call("clampRange", {"low": low, "high": high}, {"low": 100, "high": 300})
    assert (found["low"], found["high"]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (0, 100, 5, ["0", "20", "40", "60", "80", "100"]),
        (49.3, 1204.9, 9, ["200", "400", "600", "800", "1000", "1200"]),
        (213.1, 214.9, 9, ["213.2", "213.4", "213.6", "213.8", "214.0", "214.2", "214.4", "214.6", "214.8"]),
        (181.03, 181.08, 5, ["181.03", "181.04", "181.05", "181.06", "181.07", "181.08"]),
        (0, 0.31, 5, ["0.0", "0.1", "0.2", "0.3"]),
    ],
)
def test_ticks_are_round_inside_the_range_and_equally_precise(
    low: float, high: float, count: int, expected: list[str], call: Call
) -> None:
    ticks = call("ticks", low, high, count)
    assert [tick["text"] for tick in ticks] == expected
    assert [tick["value"] for tick in ticks] == [float(text) for text in expected]


def test_the_precursor_label_stays_clear_of_the_axis_title_and_the_edge(call: Call) -> None:
    assert call("precursorLabel", 50, 960) == {"x": 100, "anchor": "start"}
    assert call("precursorLabel", 300, 960) == {"x": 300, "anchor": "start"}
    assert call("precursorLabel", 930, 960) == {"x": 930, "anchor": "end"}


def test_labels_name_the_formula_or_the_mz(call: Call) -> None:
    assert labels(call, stick(100, 48, 100), stick(500, 200, 40, "C5H5+")) == ["100.0000", "C5H5+"]


def test_the_base_peak_comes_first_then_explained_peaks(call: Call) -> None:
    explained, stronger = stick(310, 280, 5, "C5H5+"), stick(330, 275, 8)
    assert labels(call, stronger, explained, stick(320, 48, 100)) == ["320.0000"]
    assert labels(call, stronger, explained) == ["C5H5+"]


def test_labels_do_not_overlap(call: Call) -> None:
    peaks = [stick(100 + 9 * i, 48 + i, 100 - i) for i in range(90)]
    found = call("placeLabels", peaks, BOUNDS)
    assert len(found) > 5
    boxes = [(label["x"] - label["half"], label["x"] + label["half"]) for label in found]
    for left, right in boxes:
        assert BOUNDS["left"] <= left < right <= BOUNDS["right"]
    for (_, right), (left, _) in zip(sorted(boxes), sorted(boxes)[1:], strict=False):
        assert left - right > 0


def test_a_label_never_covers_a_higher_stick(call: Call) -> None:
    assert labels(call, stick(500, 48, 100), stick(510, 200, 40)) == ["500.0000"]
    assert labels(call, stick(500, 48, 100), stick(600, 200, 40)) == ["500.0000", "600.0000"]


def test_faint_peaks_have_no_label(call: Call) -> None:
    assert labels(call, stick(100, 48, 100), stick(500, 290, 2.9, "C5H5+")) == ["100.0000"]


def test_no_peaks_no_labels(call: Call) -> None:
    assert labels(call) == []
