"""A feature: one ion of one run, with all MS2 spectra that were measured of it."""

from __future__ import annotations

from dataclasses import dataclass

from models_ml.spectra.spectrum import Spectrum


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """The MS2 spectra of one ion, in any order. A single spectrum is a feature with one member.

    `annotate` takes precursor m/z and adduct from the representative and uses them for all members.
    Raises ValueError without members, or if `representative` is not an index of `members`.
    """

    members: tuple[Spectrum, ...]
    representative: int = 0  # index of the member that stands for the feature, such as the one of most peaks

    def __post_init__(self) -> None:
        if not 0 <= self.representative < len(self.members):
            raise ValueError(
                f"The representative {self.representative} is none of the {len(self.members)} members. "
                "Give a feature at least one spectrum, and the index of one of them."
            )

    @classmethod
    def of(cls, spectrum: Spectrum | Feature) -> Feature:
        """The feature itself, or the feature whose only member is the spectrum."""
        return spectrum if isinstance(spectrum, Feature) else cls((spectrum,))
