"""The memory that MS1 scans need does not grow with the run."""

from __future__ import annotations

import base64
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models_ml.spectra.formats import read_spectra
from models_ml.spectra.formats.survey_scan import SurveyMemory, SurveyScan, survey_scan
from models_ml.spectra.spectrum import FloatArray, Spectrum
from tests.models_ml.spectra.builders import SELECTED_ION, ZLIB, binary_array, mzml_document, mzml_spectrum

N_SCANS = 100_000
CYCLE = 10  # one MS1 scan, then nine MS2 scans
N_POINTS = 5_000  # of an MS1 scan: 80 kB once decoded
MZ: FloatArray = np.linspace(100.0, 1100.0, N_POINTS)
HEIGHTS: FloatArray = np.resize(np.arange(1.0, 8.0), N_POINTS)
MAX_GROWTH_MB = 8


def peak_mb(run: Callable[[], object]) -> float:
    """The most memory that Python and numpy held at once, beyond what they held before."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def test_100_000_scans_stream_through_one_scan_of_memory() -> None:
    def decode() -> tuple[FloatArray, FloatArray]:
        return MZ.copy(), HEIGHTS.copy()

    def run() -> None:
        memory, n_surveys = SurveyMemory(), 0
        for number in range(N_SCANS):
            polarity = "positive" if number // CYCLE % 2 else "negative"
            if number % CYCLE == 0:
                memory.keep(polarity, SurveyScan(f"scan {number}", float(number), decode))
            elif number % (10 * CYCLE) == 1:  # so that the test is fast; each decodes a scan
                found = memory.before(polarity, float(number))
                n_surveys += survey_scan(found, 150.0, 1, None, {}, []) is not None
        assert n_surveys == N_SCANS / CYCLE / 10

    assert peak_mb(run) < MAX_GROWTH_MB


def mzml_run(n_cycles: int) -> str:
    ms1 = binary_array("MS:1000514", zlib.compress(MZ.tobytes()), ZLIB)
    ms1 += binary_array("MS:1000515", zlib.compress(HEIGHTS.tobytes()), ZLIB)
    scans = []
    for cycle in range(n_cycles):
        number = 2 * cycle + 1
        scans.append(mzml_spectrum(number, level="1", precursor="", arrays=ms1, length=N_POINTS))
        scans.append(mzml_spectrum(number + 1, precursor=SELECTED_ION))
    return mzml_document(*scans)


def mzxml_scan(number: int, level: int, mz: FloatArray, heights: FloatArray, inner: str) -> str:
    pairs = np.stack([mz, heights], axis=1).astype(">f8").tobytes()
    data = base64.b64encode(zlib.compress(pairs)).decode()
    return (
        f'<scan num="{number}" msLevel="{level}" polarity="+" peaksCount="{mz.size}" retentionTime="PT1.0S">'
        f'{inner}<peaks precision="64" byteOrder="network" contentType="m/z-int" '
        f'compressionType="zlib">{data}</peaks></scan>'
    )


def mzxml_run(n_cycles: int) -> str:
    scans = []
    ion = '<precursorMz precursorCharge="1">165.0546</precursorMz>'
    for cycle in range(n_cycles):
        scans.append(mzxml_scan(2 * cycle + 1, 1, MZ, HEIGHTS, ""))
        scans.append(mzxml_scan(2 * cycle + 2, 2, np.array([91.05, 119.05]), np.array([5.0, 9.0]), ion))
    return f'<mzXML xmlns="http://sashimi.sourceforge.net/schema_revision/mzXML_3.2"><msRun>{"".join(scans)}</msRun></mzXML>'


@pytest.mark.parametrize(("write", "suffix"), [(mzml_run, "mzML"), (mzxml_run, "mzXML")])
def test_kept_spectra_do_not_keep_their_ms1_scans(
    write: Callable[[int], str], suffix: str, tmp_path: Path
) -> None:
    """Four times as many MS1 scans, of 80 kB each, need only the memory of their MS2 spectra."""
    kept: list[Spectrum] = []

    def peak_of(n_cycles: int) -> float:
        path = tmp_path / f"{n_cycles}.{suffix}"
        path.write_text(write(n_cycles))
        kept.clear()

        def read() -> None:
            kept.extend(item for item in read_spectra(path) if isinstance(item, Spectrum))

        peak = peak_mb(read)
        assert len(kept) == n_cycles
        assert all(spectrum.survey is not None for spectrum in kept)
        return peak

    peak_of(5)  # imports
    short, long = peak_of(50), peak_of(200)
    assert long - short < 150 * 16 * N_POINTS / 1e6 / 4, (short, long)
