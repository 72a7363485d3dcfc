"""The tandem mass spectrum that all parts of the system exchange: plain, frozen, with raw peaks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models_ml.spectra.survey import Document, Survey

IonMode = Literal["positive", "negative"]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """One measured MS/MS scan, with its peaks exactly as in the file.

    ``mz`` and ``intensity`` are float64 of the same shape (N,), in file order. Preprocessing creates new
    arrays. ``None`` always means that the file does not state the value; nothing is guessed.
    """

    mz: FloatArray
    intensity: FloatArray
    precursor_mz: float | None = None
    charge: int | None = None  # signed: -1 for a singly charged anion
    adduct: str | None = None  # in our notation, "[M+H]+"; see adducts.normalise
    ion_mode: IonMode | None = None
    ms_level: int | None = None
    collision_energy: str = ""  # as written in the file, with units
    collision_energy_ev: float | None = None  # only if the text states it in eV
    retention_time_s: float | None = None
    instrument: str = ""
    instrument_type: str = ""
    title: str = ""
    external_id: str = ""  # the caller's identifier, returned with every result
    license: str = ""
    smiles: str = ""  # structure stated in the file, for reference spectra and evaluation only
    inchikey: str = ""
    formula: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)  # all fields of the record, as written
    document: Document | None = None  # where it was read from
    survey: Survey | None = (
        None  # what the MS1 scan before it shows about its precursor, if there is such a scan
    )
    sample_id: str = ""  # the caller's identifier of the measured sample

    @property
    def n_peaks(self) -> int:
        return int(self.mz.shape[0])

    @property
    def isolation_window(self) -> tuple[float, float] | None:
        """Lowest and highest m/z that the instrument isolated, if the file states them."""
        return isolation_window(self.metadata)


def isolation_window(metadata: Mapping[str, str]) -> tuple[float, float] | None:
    """The isolation window in the fields of a record. None also for a window without width."""
    try:
        lower = float(metadata["ISOLATION_WINDOW_LOWER"])
        upper = float(metadata["ISOLATION_WINDOW_UPPER"])
    except (KeyError, ValueError):
        return None
    return (lower, upper) if math.isfinite(lower) and lower < upper < math.inf else None
