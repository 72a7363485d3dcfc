"""Reading and grouping a run of 100,000 spectra, beside pyteomics: `make bench` prints rate and memory."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests.models_ml.spectra.builders import ZLIB, binary_array, mzml_document, mzml_spectrum

N_SPECTRA = 100_000
N_SPECTRA_OF_PEER = 10_000  # pyteomics takes more than twice as long; its rate does not depend on the size
N_PEAKS = 60
CYCLE = 10  # one MS1 scan, then nine MS2 scans
MAX_MEMORY_MB = 500

_OURS = """
import resource, sys, time
from pathlib import Path
from models_ml.features.grouping import Grouper
from models_ml.spectra.formats import read_spectra
from models_ml.spectra.spectrum import Spectrum
grouper, count, started = Grouper(), 0, time.perf_counter()
for item in read_spectra(Path(sys.argv[1])):
    if isinstance(item, Spectrum):
        grouper.add(count, item)
        count += 1
read = time.perf_counter()
n_features = len(grouper.groups())
grouped = time.perf_counter() - read
print(count, read - started, grouped, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, n_features)
"""
_PYTEOMICS = """
import resource, sys, time
from pyteomics import mzml
started = time.perf_counter()
count = sum(1 for _ in mzml.MzML(sys.argv[1], use_index=False))
print(count, time.perf_counter() - started, 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 0)
"""

pytestmark = pytest.mark.timeout(3600)


def write_run(path: Path, n_spectra: int) -> None:
    """Nine precursors for 20 cycles each. The peaks of a precursor are equal."""
    before, after = mzml_document("|").split("|")
    with path.open("w") as file:
        file.write(before)
        for number in range(n_spectra):
            cycle, place = divmod(number, CYCLE)
            ion = (cycle // 20 * 9 + place) * 0.01 % 700
            mz = [60 + ion / 7 + 13.01 * peak for peak in range(N_PEAKS)]
            arrays = binary_array("MS:1000514", zlib.compress(struct.pack(f"<{N_PEAKS}d", *mz)), ZLIB)
            heights = struct.pack(f"<{N_PEAKS}f", *(1000.0 / (1 + peak) for peak in range(N_PEAKS)))
            arrays += binary_array("MS:1000515", heights, bits=32)
            level = "1" if place == 0 else "2"
            text = mzml_spectrum(number + 1, level=level, arrays=arrays, length=N_PEAKS)
            text = text.replace('value="165.0546"', f'value="{165 + ion:.4f}"')
            text = text.replace('value="165.1"', f'value="{165 + ion:.4f}"')
            file.write(text.replace('value="1.5"', f'value="{cycle / 60:.4f}"'))
        file.write(after)


def measure(program: str, path: Path) -> list[float]:
    """Spectra, seconds of reading and of grouping, peak memory in MB, features."""
    output = subprocess.run([sys.executable, "-c", program, path], check=True, capture_output=True, text=True)
    return [float(number) for number in output.stdout.split()]


def test_reading_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.mzML"
    write_run(path, N_SPECTRA)
    count, read_s, grouping_s, memory_mb, n_features = measure(_OURS, path)
    part = tmp_path / "part.mzML"
    write_run(part, N_SPECTRA_OF_PEER)
    _, part_s, _, _, _ = measure(_OURS, part)
    _, other_s, _, other_mb, _ = measure(_PYTEOMICS, part)
    with capsys.disabled():
        print(
            f"\n{N_SPECTRA:,} scans, {count:,.0f} MS2, {n_features:,.0f} features: "
            f"read {N_SPECTRA / read_s:,.0f} scans/s, grouped in {grouping_s:.1f} s, {memory_mb:.0f} MB\n"
            f"{N_SPECTRA_OF_PEER:,} scans: read {N_SPECTRA_OF_PEER / part_s:,.0f} scans/s; "
            f"pyteomics {N_SPECTRA_OF_PEER / other_s:,.0f} scans/s, {other_mb:.0f} MB"
        )
    assert count == N_SPECTRA * (CYCLE - 1) / CYCLE
    assert memory_mb < MAX_MEMORY_MB
    assert grouping_s < 60
