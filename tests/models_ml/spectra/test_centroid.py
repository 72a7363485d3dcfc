"""Profile spectra become centroids, by the stated property and by shape. Repeated m/z are added up."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from models_ml.spectra.formats.centroid import add_up_repeats, find_centroids, has_profile_shape, to_centroids
from models_ml.spectra.formats.items import Fault, UnusableRecord
from models_ml.spectra.spectrum import FloatArray
from tests.models_ml.spectra.builders import mgf_block, read_all

CENTRES = np.array([71.0491, 89.0597, 131.0703, 149.0808])
HEIGHTS = np.array([120.0, 880.0, 1000.0, 42.0])


def profile(width: float, step: float) -> tuple[FloatArray, FloatArray]:
    """Gaussian peaks of this full width at half maximum, each on its own grid of points."""
    grid = np.arange(-3 * width, 3 * width, step)
    mz = np.concatenate([centre + grid for centre in CENTRES])
    shape = np.exp(-4 * np.log(2) * (grid / width) ** 2)
    return mz, np.concatenate([height * shape for height in HEIGHTS])


@pytest.mark.parametrize(("width", "step"), [(0.002, 0.0004), (0.01, 0.001), (0.05, 0.01), (0.7, 0.1)])
def test_a_profile_becomes_its_peaks(width: float, step: float) -> None:
    mz, intensity = profile(width, step)
    assert has_profile_shape(mz, intensity)
    centres, heights = find_centroids(mz, intensity)
    np.testing.assert_allclose(centres, CENTRES, atol=width / 50)
    np.testing.assert_allclose(heights, HEIGHTS, rtol=0.05)


def test_overlapping_peaks_and_a_continuous_grid() -> None:
    mz = np.arange(70.0, 73.0, 0.01)
    intensity = sum(
        height * np.exp(-4 * np.log(2) * ((mz - centre) / 0.1) ** 2)
        for centre, height in ((71.0, 100.0), (71.2, 50.0), (72.0, 10.0))
    )
    assert has_profile_shape(mz, intensity)
    np.testing.assert_allclose(find_centroids(mz, intensity)[0], [71.0, 71.2, 72.0], atol=0.005)


@pytest.mark.parametrize("seed", range(20))
def test_centroids_are_not_taken_for_a_profile(seed: int) -> None:
    draws = np.random.default_rng(seed)
    for span in (5.0, 50.0, 500.0):
        mz = np.sort(draws.uniform(100, 100 + span, 300))
        assert not has_profile_shape(mz, draws.exponential(10.0, 300))
    assert not has_profile_shape(mz[:5], np.ones(5))


def test_what_is_stated_is_repeated() -> None:
    mz, intensity = profile(0.01, 0.001)
    for stated, words in ((True, "is a profile"), (False, "states centroids"), (None, "has the shape")):
        repairs: list[Fault] = []
        assert to_centroids(mz, intensity, stated, repairs)[0].size == 4
        assert repairs[0].code == "centroided"
        assert words in repairs[0].reason


def test_a_stated_profile_that_looks_like_centroids_is_kept_with_a_message() -> None:
    repairs: list[Fault] = []
    assert to_centroids(CENTRES, HEIGHTS, True, repairs)[0] is CENTRES
    assert [repair.code for repair in repairs] == ["stated_profile"]
    assert to_centroids(CENTRES, HEIGHTS, False, []) == (CENTRES, HEIGHTS)


def test_a_stated_profile_without_peaks_is_refused() -> None:
    mz = np.arange(100.0, 101.0, 0.001)
    with pytest.raises(UnusableRecord):
        to_centroids(mz, np.random.default_rng(0).exponential(1.0, mz.size), True, [])


def test_the_reader_centroids_text_formats_by_shape(tmp_path: Path) -> None:
    mz, intensity = profile(0.01, 0.001)
    path = tmp_path / "one.mgf"
    path.write_text(mgf_block(*(f"{x:.5f} {y:.4f}" for x, y in zip(mz, intensity, strict=True))))
    [spectrum], [issue], _ = read_all(path)
    assert (spectrum.n_peaks, issue.code) == (4, "centroided")


def test_large_profiles_take_linear_time() -> None:
    draws = np.random.default_rng(0)
    mz: FloatArray = np.arange(100_000, dtype=np.float64) * 0.001 + 50
    shapes: list[FloatArray] = [np.ones(mz.size), draws.random(mz.size), mz % 0.1 * 1000 + 1.0]
    for intensity in shapes:
        start = time.process_time()
        has_profile_shape(mz, intensity)
        find_centroids(mz, intensity)
        assert time.process_time() - start < 5


def test_repeated_mz_are_added_up() -> None:
    repairs: list[Fault] = []
    mz, intensity = add_up_repeats(np.array([90.0, 71.0, 90.0]), np.array([1.0, 2.0, 3.5]), repairs)
    assert (mz.tolist(), intensity.tolist()) == ([71.0, 90.0], [2.0, 4.5])
    assert [repair.code for repair in repairs] == ["repeated_mz"]
    assert add_up_repeats(CENTRES, HEIGHTS, repairs)[0] is CENTRES
