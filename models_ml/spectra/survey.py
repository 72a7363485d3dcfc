"""What a survey (MS1) scan shows about the precursor of an MS2 spectrum. Values only; `ms1` computes them.

Terms: isotope pattern, purity and adduct evidence in docs/glossary.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class AdductEvidence:
    """An ion of the same MS1 scan that has the expected m/z if the precursor is `adduct`."""

    adduct: str  # of the precursor
    partner_adduct: str  # of the other ion, of the same molecule
    partner_mz: float  # as measured
    ppm: float  # (measured - expected) / expected, of the partner
    relative_intensity: float  # of the partner, divided by that of the precursor


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """`isotope_mz` and `isotope_intensity` are float64 (I,), the monoisotopic peak first.

    They are empty if the scan has no peak at the precursor m/z. An intensity of 0 stands for an isotope peak
    that is missing between two others; its m/z is then the expected one.
    """

    isotope_mz: NDArray[np.float64]
    isotope_intensity: NDArray[np.float64]
    charge: int | None = None  # number of charges, unsigned: as stated, or from the spacing of the isotopes
    selected_isotope: int = 0  # the isotope peak at the precursor m/z: 0 is monoisotopic, 1 is M+1
    # Share of the MS1 intensity in the isolation window that belongs to the isotope pattern of the precursor,
    # 0 to 1. None if the window is not stated or holds no peak.
    purity: float | None = None
    adduct_evidence: tuple[AdductEvidence, ...] = ()
    # Number of specific partners that this scan shows by chance: the mean at m/z where no adduct can be.
    chance_partners: float = 0.0
    position: str = ""  # of the MS1 scan, "scan 17"

    @property
    def has_pattern(self) -> bool:
        """Whether at least one isotope peak was found beside the monoisotopic peak."""
        return bool(self.isotope_mz.size > 1)


@dataclass(frozen=True, slots=True)
class Document:
    """The document that a spectrum was read from. Labels and runs of two documents are never joined."""

    member: str  # of an archive; "" for a plain file
    format: str  # as `detect_format` names it

    @property
    def is_run(self) -> bool:
        """Whether it is the raw data of one run, in which each scan is a record."""
        return self.format in ("mzml", "mzxml")


@dataclass(frozen=True, slots=True, eq=False)
class Ms1Block:
    """An MS1 record of a text file, such as `MSLEVEL=1` in MGF. It belongs to the spectra of its label."""

    document: Document | None
    label: str  # as `feature_label` reads it, or ""
    precursor_mz: float | None
    charge: int | None  # signed
    ion_mode: str  # "positive", "negative" or ""
    adduct: str | None
    retention_time_s: float | None
    mz: NDArray[np.float64]  # (N,) ascending
    intensity: NDArray[np.float64]  # (N,)
    position: str
