"""Prepares the members of a feature for annotation: one precursor window for all, features of each."""

from __future__ import annotations

from dataclasses import replace

from models_ml.outcomes import AnnotateParams, CannotAnnotate
from models_ml.spectra import adducts
from models_ml.spectra.feature import Feature
from models_ml.spectra.precursor_window import PrecursorWindow, PreparedSpectrum, prepare_spectrum
from models_ml.spectra.spectrum import Spectrum

PreparedMember = PreparedSpectrum | CannotAnnotate


def prepare_members(
    feature: Feature, params: AnnotateParams, *, max_peaks: int
) -> tuple[list[PreparedMember], int]:
    """Each member prepared, or the reason why it is left out; and the index of the representative.

    The precursor window of the representative holds for all members. If the stated representative cannot be
    prepared, the first member that can takes its place.
    """
    members = feature.members
    stated = prepare_spectrum(members[feature.representative], params, max_peaks=max_peaks)
    if len(members) == 1:
        return [stated], 0
    chosen, leader = feature.representative, stated
    for index, spectrum in enumerate(members):
        if isinstance(leader, PreparedSpectrum):
            break
        chosen, leader = index, prepare_spectrum(spectrum, params, max_peaks=max_peaks)
    if isinstance(leader, CannotAnnotate):
        alone = [prepare_spectrum(spectrum, params, max_peaks=max_peaks) for spectrum in members]
        return list(alone), feature.representative
    prepared: list[PreparedMember] = [
        leader if index == chosen else _prepare_in(spectrum, leader.window, params, max_peaks)
        for index, spectrum in enumerate(members)
    ]
    return prepared, chosen


def _prepare_in(
    spectrum: Spectrum, window: PrecursorWindow, params: AnnotateParams, max_peaks: int
) -> PreparedMember:
    """The spectrum with precursor and adduct of its feature."""
    if spectrum.adduct and not _is_same(spectrum.adduct, window.adduct):
        return CannotAnnotate(
            "other_adduct",
            f"This spectrum states the adduct {spectrum.adduct}, but its feature is annotated as "
            f"{window.adduct}. Correct the adduct, or submit the spectrum as a separate feature.",
        )
    same_ion = replace(spectrum, precursor_mz=window.precursor_mz, adduct=window.adduct)
    prepared = prepare_spectrum(same_ion, params, max_peaks=max_peaks)
    return prepared if isinstance(prepared, CannotAnnotate) else replace(prepared, window=window)


def _is_same(stated: str, adduct: str) -> bool:
    try:
        return adducts.parse(stated).notation == adduct
    except ValueError:
        return False
