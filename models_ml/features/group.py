"""A feature as the result of grouping: which spectra belong to one ion, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from models_ml.features.adduct_proposal import AdductProposal
from models_ml.spectra.spectrum import IonMode
from models_ml.spectra.survey import Survey

GroupedBy = Literal["single", "file", "computed"]
Mode = Literal["auto", "file", "off"]


@dataclass(frozen=True, slots=True)
class GroupingSettings:
    """How spectra become features.

    Mode "auto" uses the labels of text files and computes the features of raw runs, "file" uses labels only,
    and "off" makes each spectrum a feature.
    """

    mode: Mode = "auto"
    precursor_ppm: float = 10.0  # largest distance of a member from the strongest spectrum of its feature
    # Floor of that distance: the last digit of quadrupole and rounded m/z.
    precursor_floor_mz: float = 0.002
    retention_gap_s: float = 30.0  # largest gap between neighbouring members
    min_similarity: float = 0.6  # cosine of members with the same collision energy
    fragment_tolerance_mz: float = 0.02  # of peaks that match


@dataclass(frozen=True, slots=True, eq=False)
class FeatureGroup:
    """One feature. Each spectrum of a file is a member of exactly one feature."""

    members: tuple[int, ...]  # source indices, ascending; outliers included
    grouped_by: GroupedBy
    reason: str  # one sentence for the report
    representative: (
        int  # the source index of the member with the largest fragment intensity, never an outlier
    )
    label: str = ""  # FEATURE_ID of the file, or ""
    precursor_mz: float | None = None  # of the representative, as are the next four
    charge: int | None = None  # signed
    adduct: str | None = None
    ion_mode: IonMode | None = None
    retention_time_s: float | None = None
    outliers: tuple[int, ...] = ()  # members that resemble no other member
    survey: Survey | None = None  # of the member whose precursor is strongest in MS1, or of the MS1 block
    proposal: AdductProposal | None = None  # only if no adduct is stated
    quantities: Mapping[str, str] = field(default_factory=dict)  # columns of a quantification table

    @property
    def n_pooled(self) -> int:
        """Number of members that are not outliers."""
        return len(self.members) - len(self.outliers)
