"""A worker for tests: a spectrum titled "poison" kills its process, like a fault in native code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from models_ml.inference import annotate as inference
from models_ml.outcomes import Outcome
from models_ml.spectra.spectrum import Spectrum
from worker.tasks import drain  # noqa: F401 (registers the task)

_annotate = inference.annotate


def _die_of_poison(spectra: Sequence[Spectrum], **options: Any) -> list[Outcome]:
    if any(spectrum.title == "poison" for spectrum in spectra):
        os._exit(9)
    return _annotate(spectra, **options)


inference.annotate = _die_of_poison
