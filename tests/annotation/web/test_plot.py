"""The drawing of a spectrum: what is drawn, labelled and left out."""

from __future__ import annotations

from itertools import pairwise

import pytest

from annotation.models import Spectrum
from annotation.web.plot import MAX_STICKS, Explanation, draw, ticks
from tests.annotation.builders import make_spectrum

pytestmark = pytest.mark.django_db


def test_base_peak_is_full_height_and_labelled() -> None:
    plot = draw(make_spectrum())
    base = next(stick for stick in plot.sticks if stick.is_base)
    assert (base.percent, base.y) == (100.0, plot.top)
    assert f"{base.mz:.4f}" in [label.text for label in plot.labels]


def test_explained_peaks_carry_their_formula() -> None:
    plot = draw(make_spectrum(), {0: Explanation("C5H5+", 1.2)})
    assert plot.n_explained == 1
    assert plot.explained_percent == pytest.approx(100 * 12.0 / 159.5)
    assert "C5H5+" in [label.text for label in plot.labels]


def test_no_candidate_and_nothing_explained_are_told_apart() -> None:
    spectrum = make_spectrum()
    assert draw(spectrum).explained_percent is None
    assert draw(spectrum, {}).explained_percent == 0.0


def test_what_cannot_be_drawn_is_left_out() -> None:
    spectrum = make_spectrum(mz=(50.0, float("nan"), 70.0, 80.0), intensity=(1.0, 2.0, float("inf"), 0.0))
    assert [stick.mz for stick in draw(spectrum).sticks] == [50.0]


@pytest.mark.parametrize("precursor", [None, 181.05])
def test_a_spectrum_without_peaks(precursor: float | None) -> None:
    plot = draw(make_spectrum(mz=(), intensity=(), precursor_mz=precursor))
    assert plot.sticks == []
    assert plot.low < plot.high


def test_the_faintest_of_too_many_are_counted_not_drawn() -> None:
    n = MAX_STICKS + 7
    plot = draw(make_spectrum(mz=[100 + i / 10 for i in range(n)], intensity=range(1, n + 1)))
    assert (len(plot.sticks), plot.n_hidden) == (MAX_STICKS, 7)
    assert min(stick.intensity for stick in plot.sticks) == 8


def test_labels_keep_their_distance() -> None:
    plot = draw(make_spectrum(mz=(100.0, 100.1, 300.0), intensity=(90.0, 100.0, 50.0)))
    xs = sorted(label.x for label in plot.labels)
    assert all(b - a >= 60 for a, b in pairwise(xs))


@pytest.mark.parametrize(("low", "high"), [(0, 100), (49.3, 1204.9), (213.1, 214.9)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    values = ticks(low, high)
    assert 4 <= len(values) <= 11
    assert all(low <= value <= high for value in values)


def test_raw_peaks_stay_as_they_were() -> None:
    spectrum = make_spectrum()
    before = bytes(spectrum.mz_bytes)
    draw(spectrum)
    assert bytes(Spectrum.objects.get(pk=spectrum.pk).mz_bytes) == before
