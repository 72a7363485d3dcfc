"""How long a small file takes: with a warm reading process, and with a new interpreter."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from annotation.spectra import reading
from models_ml.isolation import ForkServer, run_bounded
from models_ml.spectra.formats import ReadLimits

FILE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "six-spectra.mgf"


def median_s(read: Callable[[], object], n: int) -> float:
    times = []
    for _ in range(n):
        started = time.perf_counter()
        read()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def test_a_warm_process_is_faster() -> None:
    server = ForkServer(preload=("annotation.spectra.reading",))

    def warm() -> object:
        return list(run_bounded(reading.read, FILE, ReadLimits(), server=server))

    def cold() -> object:
        return list(run_bounded(reading.read, FILE, ReadLimits()))

    warm()  # waits for the imports
    warm_s, cold_s = median_s(warm, 20), median_s(cold, 3)
    server.close()
    print(f"\nwarm {warm_s * 1000:.0f} ms, new interpreter {cold_s * 1000:.0f} ms")
    assert warm_s < cold_s / 3
