"""The tandem mass spectrum as every part of the system passes it on: plain, frozen, with raw peaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

IonMode = Literal["positive", "negative"]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """One measured MS/MS scan, peaks exactly as they stood in the file.

    ``mz`` and ``intensity`` are float64 of one shape (N,), in file order; preprocessing makes a new
    array and never changes these. ``None`` always means "the file does not say"; nothing is guessed.
    """

    mz: FloatArray
    intensity: FloatArray
    precursor_mz: float | None = None
    charge: int | None = None  # signed: -1 for a singly charged anion
    adduct: str | None = None  # in our notation, "[M+H]+"; see adducts.normalise
    ion_mode: IonMode | None = None
    ms_level: int | None = None
    collision_energy: str = ""  # as written in the file, units and all
    collision_energy_ev: float | None = None  # only where the text states it in eV
    retention_time_s: float | None = None
    instrument: str = ""
    instrument_type: str = ""
    title: str = ""
    external_id: str = ""  # the caller's own identifier, echoed everywhere
    license: str = ""
    smiles: str = ""  # structure claimed by the file, for reference spectra and evaluation only
    inchikey: str = ""
    formula: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)  # every field of the record, as written

    @property
    def n_peaks(self) -> int:
        return int(self.mz.shape[0])
