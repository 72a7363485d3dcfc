"""Prints what matchms reads from files, as JSON by path: spectra with peaks and precursor, or its error.

Runs in a separate environment with matchms, which `test_matchms` starts: matchms needs older libraries
than this project. Imports nothing of the project.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from matchms.importing import load_spectra
from matchms.logging_functions import set_matchms_logger_level


def read(path: str) -> str | list[dict[str, Any]]:
    try:
        spectra = [spectrum for spectrum in load_spectra(path) if spectrum is not None]
    except Exception as error:  # any error is the answer of matchms to this file
        return repr(error)
    return [
        {
            "precursor_mz": spectrum.get("precursor_mz"),
            "mz": spectrum.peaks.mz.tolist(),
            "intensity": spectrum.peaks.intensities.tolist(),
        }
        for spectrum in spectra
    ]


if __name__ == "__main__":
    set_matchms_logger_level("CRITICAL")
    json.dump({path: read(path) for path in sys.argv[1:]}, sys.stdout)
