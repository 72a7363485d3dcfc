"""A worker for tests: a spectrum titled "poison" kills its process, like a fault in native code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from models_ml.inference import annotate as inference
from models_ml.outcomes import Outcome
from models_ml.spectra.feature import Feature
from models_ml.spectra.spectrum import Spectrum
from worker.tasks import drain  # noqa: F401 (registers the task)

_annotate = inference.annotate


def _die_of_poison(inputs: Sequence[Spectrum | Feature], **options: Any) -> list[Outcome]:
    members = [spectrum for feature in inputs for spectrum in Feature.of(feature).members]
    if any(spectrum.title == "poison" for spectrum in members):
        os._exit(9)
    return _annotate(inputs, **options)


inference.annotate = _die_of_poison
