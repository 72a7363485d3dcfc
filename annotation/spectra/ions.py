"""What decides whether a feature can be annotated, and in which mass window. Peaks play no part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from models_ml.outcomes import AnnotateParams, CannotAnnotate
from models_ml.spectra.precursor_window import PrecursorWindow, mass_window
from models_ml.spectra.spectrum import Spectrum

_NO_PEAKS = np.empty(0)


@dataclass(frozen=True, slots=True)
class Ion:
    """Precursor and adduct of a feature, as the file states them. Texts are empty where it states none."""

    precursor_mz: float | None
    charge: int | None
    adduct: str
    ion_mode: str
    proposed_adduct: str  # what MS1 suggests

    # No common adduct adds as much as this, so heavier precursors are alike for `coarse`.
    HEAVY_FROM: ClassVar[float] = 150.0
    HEAVY: ClassVar[float] = 5000.0

    def coarse(self) -> Ion:
        """The same ion for the question whether it can be annotated, so that many features share one."""
        mz = self.precursor_mz
        return replace(self, precursor_mz=self.HEAVY) if mz is not None and mz > self.HEAVY_FROM else self

    def window(self, params: AnnotateParams) -> PrecursorWindow | CannotAnnotate:
        """The mass window that `annotate` searches, or why there is none."""
        adduct = adduct_to_use(self.adduct, self.proposed_adduct, params)
        fields: dict[str, Any] = {"adduct": adduct or None, "ion_mode": self.ion_mode or None}
        spectrum = Spectrum(
            mz=_NO_PEAKS,
            intensity=_NO_PEAKS,
            precursor_mz=self.precursor_mz,
            charge=self.charge,
            **fields,
        )
        return mass_window(spectrum, params)


def adduct_to_use(stated: str, proposed: str, params: AnnotateParams) -> str:
    """The adduct of a feature: the stated one, else the one that MS1 suggests if the submitter accepts it."""
    return stated or (proposed if params.uses_proposed_adducts else "")
