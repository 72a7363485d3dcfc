"""SPLASH compared with the published test vectors and with the SPLASH of every MassBank record."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from models_ml.spectra.formats.items import RawRecord, ReadLimits
from models_ml.spectra.formats.massbank import read_massbank
from models_ml.spectra.formats.source import Budget, Source
from models_ml.spectra.splash import splash


def test_order_and_scale_of_the_peaks_do_not_matter() -> None:
    mz, heights = np.array([100.0, 101.5, 250.25]), np.array([10.0, 40.0, 2.0])
    assert splash(mz[::-1], heights[::-1] * 1e6) == splash(mz, heights)


def test_shape_of_the_identifier() -> None:
    prefix, prefilter, histogram, digest = splash([100.0], [1.0]).split("-")
    assert (prefix, len(prefilter), histogram, len(digest)) == ("splash10", 4, "0900000000", 20)


@pytest.mark.parametrize(("mz", "heights"), [([], []), ([100.0], [0.0])])
def test_peaks_without_intensity_raise(mz: list[float], heights: list[float]) -> None:
    with pytest.raises(ValueError, match="SPLASH"):
        splash(mz, heights)


@pytest.mark.shared
def test_published_vectors(shared_data: Path) -> None:
    csv.field_size_limit(10**7)
    checked = 0
    with (shared_data / "formats/splash/test-set-v1-splashed-400.csv").open() as file:
        for expected, _, peaks in csv.reader(file):
            pairs = [peak.split(":") for peak in peaks.split()]
            assert splash([float(mz) for mz, _ in pairs], [float(height) for _, height in pairs]) == expected
            checked += 1
    assert checked == 400


@pytest.mark.shared
def test_every_massbank_record(shared_data: Path) -> None:
    """Includes records that are not usable MS2 spectra."""
    limits = ReadLimits()
    checked = 0
    for path in sorted((shared_data / "formats/massbank").iterdir()):
        with path.open("rb") as file:
            for record in read_massbank(Source(file, budget=Budget(10**9), limits=limits)):
                assert isinstance(record, RawRecord)
                assert splash(record.mz, record.intensity) == record.fields["PK$SPLASH"], path.name
                checked += 1
    assert checked == 522
