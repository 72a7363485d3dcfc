"""Groups of spectra that are one feature: the same compound, adduct and ion mode from one contributor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models_ml.evaluate.cases import Case
from models_ml.spectra.feature import Feature

GROUPED_BY = "compound, adduct, ion mode and contributor"


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Spectra of one ion of one compound, measured by one contributor, mostly at several energies."""

    cases: tuple[Case, ...]
    representative: int  # index of the spectrum with most peaks, whose candidates are those of the group

    @property
    def compound(self) -> str:
        return self.cases[0].compound

    @property
    def keys(self) -> NDArray[np.int64]:
        return self.cases[self.representative].keys

    @property
    def feature(self) -> Feature:
        return Feature(tuple(case.spectrum for case in self.cases), self.representative)


def group_cases(cases: Sequence[Case]) -> list[Group]:
    """Groups in the order of their first spectrum. Spectra without candidates are left out."""
    by_ion: dict[tuple[str, str, str, str], list[Case]] = {}
    for case in cases:
        if len(case.keys):
            spectrum = case.spectrum
            ion = (case.compound, spectrum.adduct or "", spectrum.ion_mode or "", contributor(spectrum.title))
            by_ion.setdefault(ion, []).append(case)
    return [_group(members) for members in by_ion.values()]


def contributor(accession: str) -> str:
    """ "Eawag" of "MSBNK-Eawag-EA000401"; of a title of another form, what precedes its last digits."""
    parts = accession.split("-")
    if len(parts) == 3:
        return parts[1]
    return accession.rstrip("0123456789")


def draw_compounds(cases: Sequence[Case], limit: int, seed: int) -> list[Case]:
    """All spectra of random compounds, as many whole compounds as fit into `limit` spectra."""
    by_compound: dict[str, list[Case]] = {}
    for case in cases:
        by_compound.setdefault(case.compound, []).append(case)
    names = sorted(by_compound)
    drawn: list[Case] = []
    for index in np.random.default_rng(seed).permutation(len(names)):
        spectra = by_compound[names[index]]
        if len(drawn) + len(spectra) > limit:
            break
        drawn += spectra
    return drawn


def exchange_groups(groups: Sequence[Group]) -> list[Group]:
    """The shuffled control: each group gets the peaks of a group of another compound.

    The donor has the same adduct and the closest precursor m/z. Its spectra are dealt out in turn, so the
    members of a group still belong together.
    """
    precursors = np.array([_precursor(group) for group in groups])
    exchanged: list[Group] = []
    for group, precursor in zip(groups, precursors, strict=True):
        order = np.argsort(np.abs(precursors - precursor), kind="stable")
        donor = next((groups[index] for index in order if _can_donate(groups[index], group)), group)
        exchanged.append(replace(group, cases=_with_peaks_of(donor, group.cases)))
    return exchanged


def _group(cases: Sequence[Case]) -> Group:
    n_peaks = [case.spectrum.n_peaks for case in cases]
    return Group(tuple(cases), int(np.argmax(n_peaks)))


def _precursor(group: Group) -> float:
    return group.cases[group.representative].spectrum.precursor_mz or 0.0


def _can_donate(donor: Group, receiver: Group) -> bool:
    return (
        donor.compound != receiver.compound
        and donor.cases[0].spectrum.adduct == receiver.cases[0].spectrum.adduct
    )


def _with_peaks_of(donor: Group, cases: Sequence[Case]) -> tuple[Case, ...]:
    sources = [donor.cases[index % len(donor.cases)].spectrum for index in range(len(cases))]
    return tuple(
        replace(case, spectrum=replace(case.spectrum, mz=source.mz, intensity=source.intensity))
        for case, source in zip(cases, sources, strict=True)
    )
