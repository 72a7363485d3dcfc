"""A spectrum as data for its plot: which peaks are sent, how they are explained, and what is left out."""

from __future__ import annotations

import json

import pytest

from annotation.models import Spectrum
from annotation.web.spectrum_plot_data import MAX_PEAKS, Explanation, PeakExplanations, plot_data
from tests.annotation.builders import make_spectrum

pytestmark = pytest.mark.django_db


def test_percent_is_relative_to_the_base_peak() -> None:
    data = plot_data(make_spectrum(mz=(100.0, 50.0, 70.0), intensity=(0.3, 0.1, 0.15)))
    assert [(peak.mz, peak.is_base) for peak in data.peaks] == [(50.0, False), (70.0, False), (100.0, True)]
    assert [peak.percent for peak in data.peaks] == pytest.approx([100 / 3, 50, 100])
    assert data.base_peak is not None
    assert data.base_peak.percent == 100.0


def test_intensity_explained_is_a_share_of_the_raw_intensity_of_all_peaks() -> None:
    data = plot_data(
        make_spectrum(), PeakExplanations({0: Explanation("C5H5+", 1.2), 3: Explanation("C9H7O3+", -0.4)})
    )
    assert data.n_explained == 2
    assert data.explained_percent == pytest.approx(100 * (12.0 + 7.5) / 159.5)


def test_peaks_that_are_not_drawn_count_as_intensity() -> None:
    n = MAX_PEAKS + 10
    spectrum = make_spectrum(mz=[100 + i / 10 for i in range(n)], intensity=[2.0] * MAX_PEAKS + [1.0] * 10)
    data = plot_data(spectrum, PeakExplanations({n - 1: Explanation("C9H9O4+", 0.0)}))
    assert all(peak.explanation is None for peak in data.peaks)
    assert (data.n_hidden, data.n_explained) == (10, 1)
    assert data.explained_percent == pytest.approx(100 * 1.0 / (2.0 * MAX_PEAKS + 10.0))


def test_no_candidate_differs_from_nothing_explained() -> None:
    spectrum = make_spectrum()
    assert plot_data(spectrum).explained_percent is None
    assert plot_data(spectrum, PeakExplanations()).explained_percent == 0.0


def test_peaks_without_a_usable_value_are_left_out() -> None:
    spectrum = make_spectrum(mz=(50.0, float("nan"), 70.0, 80.0), intensity=(1.0, 2.0, float("inf"), 0.0))
    data = plot_data(spectrum, PeakExplanations({1: Explanation("C4H2+", 0.0)}))
    assert [peak.mz for peak in data.peaks] == [50.0]
    assert (data.n_peaks, data.n_explained, data.explained_percent) == (4, 0, 0.0)


def test_a_spectrum_without_peaks_has_data_too() -> None:
    data = plot_data(make_spectrum(mz=(), intensity=(), precursor_mz=None), PeakExplanations())
    assert (data.peaks, data.base_peak, data.explained_percent) == ((), None, None)
    assert json.loads(data.as_json()) == {"precursor_mz": None, "peaks": []}


def test_the_faintest_of_too_many_peaks_are_counted_and_not_sent() -> None:
    n = MAX_PEAKS + 7
    data = plot_data(make_spectrum(mz=[100 + i / 10 for i in range(n)], intensity=range(1, n + 1)))
    assert (len(data.peaks), data.n_hidden) == (MAX_PEAKS, 7)
    assert min(peak.intensity for peak in data.peaks) == 8


def test_json_holds_what_the_plot_draws() -> None:
    data = plot_data(
        make_spectrum(), PeakExplanations({1: Explanation("C7H5O2+", 1.234, (3, 4, 5), "C(=O)c")})
    )
    drawn = json.loads(data.as_json())
    assert drawn["precursor_mz"] == 181.0495
    assert drawn["peaks"][:2] == [
        {"mz": 65.0386, "percent": 12.0},
        {"mz": 121.0284, "percent": 100.0, "formula": "C7H5O2+", "error_ppm": 1.23,
         "atoms": [3, 4, 5], "smiles": "C(=O)c"},
    ]  # fmt: skip


def test_a_part_of_the_formula_is_a_second_tier_that_does_not_count_as_explained() -> None:
    data = plot_data(
        make_spectrum(),
        PeakExplanations({1: Explanation("C7H5O2+", 0.0)}, {3: Explanation("C9H7O3+", -0.4)}),
        matched={1},
    )
    assert (data.n_explained, data.n_possible) == (1, 1)
    assert data.explained_percent == pytest.approx(100 * 100.0 / 159.5)
    drawn = json.loads(data.as_json())["peaks"]
    assert drawn[3] == {"mz": 163.039, "percent": 7.5, "possible": "C9H7O3+", "error_ppm": -0.4}
    assert [peak.get("matched", False) for peak in drawn] == [False, True, False, False]


def test_only_chosen_peaks_are_drawn_and_all_count() -> None:
    data = plot_data(make_spectrum(), PeakExplanations({0: Explanation("C5H5+", 0.0)}), only=[1, 2])
    assert [peak.mz for peak in data.peaks] == [121.0284, 139.039]
    assert (data.n_peaks, data.n_explained) == (4, 1)


def test_raw_peaks_stay_as_they_were() -> None:
    spectrum = make_spectrum()
    before = bytes(spectrum.mz_bytes)
    plot_data(spectrum)
    assert bytes(Spectrum.objects.get(pk=spectrum.pk).mz_bytes) == before
