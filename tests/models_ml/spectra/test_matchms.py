"""Differential test against matchms over the public files: equal peaks and precursors, or a known reason.

matchms needs older libraries than this project, so it runs in a separate environment, if one is given:
`python -m venv DIR && DIR/bin/pip install matchms`, then `GLMR_MATCHMS_PYTHON=DIR/bin/python make test`.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models_ml.spectra.spectrum import Spectrum
from tests.models_ml.spectra.builders import read_all
from tests.models_ml.spectra.test_format_files import EXPECTED

PYTHON = os.environ.get("GLMR_MATCHMS_PYTHON", "")
READER = Path(__file__).with_name("matchms_reader.py")
# Per file: how many of the spectra that we read matchms does not read with the same peaks and precursor.
DIFFERENCES = {
    "msp/minimona.msp": 1,  # a profile, which we turn into centroids
    "mzml/AssayGeneratorMetabo_input.mzML": 213,  # no selected ion; we take the isolation target
}

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not PYTHON, reason="GLMR_MATCHMS_PYTHON names no Python with matchms"),
]


@pytest.fixture(scope="module")
def by_matchms(shared_data: Path) -> dict[str, Any]:
    """What matchms reads from each file, by name: a list of spectra, or the text of its error."""
    paths = {name: str(shared_data / "formats" / name) for name in EXPECTED}
    done = subprocess.run([PYTHON, str(READER), *paths.values()], capture_output=True, text=True, check=True)
    read = json.loads(done.stdout)
    return {name: read[path] for name, path in paths.items()}


@pytest.mark.parametrize("name", EXPECTED)
def test_peaks_and_precursors_agree_with_matchms(
    shared_data: Path, by_matchms: dict[str, Any], name: str
) -> None:
    theirs = by_matchms[name]
    if isinstance(theirs, str):
        pytest.skip(f"matchms cannot read it: {theirs[:200]}")
    ours, _, _ = read_all(shared_data / "formats" / name)
    different = [spectrum for spectrum in ours if not _is_among(spectrum, theirs)]
    assert len(different) == DIFFERENCES.get(name, 0), [spectrum.title for spectrum in different[:5]]


def _is_among(spectrum: Spectrum, theirs: Sequence[dict[str, Any]]) -> bool:
    return any(
        _is_near([spectrum.precursor_mz], [other["precursor_mz"]])
        and _is_near(spectrum.mz, other["mz"])
        and _is_near(spectrum.intensity, other["intensity"])
        for other in theirs
    )


def _is_near(ours: Sequence[Any] | np.ndarray[Any, Any], theirs: Sequence[Any]) -> bool:
    """Whether the numbers are equal, regardless of order and of the last digits of float32."""
    if len(ours) != len(theirs) or None in theirs:
        return False
    first, second = (np.sort(np.asarray(values, dtype=float)) for values in (ours, theirs))
    return bool(np.allclose(first, second, rtol=1e-6, atol=1e-6))
