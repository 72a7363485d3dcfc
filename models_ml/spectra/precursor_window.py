"""From a spectrum to what can be asked about it, or to the reason why nothing can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models_ml.outcomes import AnnotateParams, CannotAnnotate
from models_ml.spectra import adducts
from models_ml.spectra.features import SpectrumFeatures, spectrum_features
from models_ml.spectra.spectrum import Spectrum

NO_PEAKS = "The spectrum has no peak with a positive m/z and intensity. Export it again with its peaks."


@dataclass(frozen=True, slots=True, eq=False)
class PreparedSpectrum:
    """A spectrum that can be annotated: its features, and the mass window to look in."""

    features: SpectrumFeatures
    precursor_mz: float
    adduct: str
    adduct_assumed: bool
    neutral_mass: float  # Da
    tolerance_da: float  # of the neutral mass

    def mass_error_ppm(self, exact_mass: float) -> float:
        """(measured - theoretical) / theoretical, at the precursor's m/z."""
        theoretical = adducts.precursor_mz(exact_mass, self.adduct)
        return (self.precursor_mz - theoretical) / theoretical * 1e6


@dataclass(frozen=True, slots=True)
class PrecursorWindow:
    """Where a spectrum's molecule is looked for, as far as its precursor tells; its peaks are not asked."""

    precursor_mz: float
    adduct: str
    adduct_assumed: bool
    neutral_mass: float  # Da
    tolerance_da: float  # of the neutral mass


def mass_window(spectrum: Spectrum, params: AnnotateParams) -> PrecursorWindow | CannotAnnotate:
    """The window that `annotate` searches, so that a server can tell beforehand what it will need."""
    precursor_mz = spectrum.precursor_mz
    if precursor_mz is None or not 0 < precursor_mz < float("inf"):
        return CannotAnnotate(
            "no_precursor",
            "The spectrum names no precursor m/z, so no mass window can be drawn. "
            "Add it to the record (PEPMASS, PrecursorMZ) and submit again.",
        )
    adduct, assumed = _adduct(spectrum, params.assumed_adducts)
    if not adduct:
        return CannotAnnotate(
            "no_adduct",
            "The spectrum names no adduct, so its molecule's mass is unknown. Add it to the record "
            "(ADDUCT, Precursor_type), or choose an adduct to assume when submitting.",
        )
    if adducts.normalise(adduct) is None:
        return CannotAnnotate(
            "unsupported_adduct",
            f"The adduct {adduct!r} is not understood. Write it like [M+H]+ or [M-2H]2-.",
        )
    ion = adducts.parse(adduct)
    neutral_mass = adducts.neutral_mass(precursor_mz, adduct)
    if neutral_mass <= 0:
        return CannotAnnotate(
            "impossible_mass",
            f"A precursor of m/z {precursor_mz:.4f} as {adduct} leaves no mass for a molecule "
            f"({neutral_mass:.4f} Da). Correct the precursor or the adduct.",
        )
    tolerance_mz = precursor_mz * params.precursor_tolerance_ppm * 1e-6
    return PrecursorWindow(
        precursor_mz=precursor_mz,
        adduct=ion.notation,
        adduct_assumed=assumed,
        neutral_mass=neutral_mass,
        tolerance_da=tolerance_mz * abs(ion.charge) / ion.multimer,
    )


def prepare_spectrum(
    spectrum: Spectrum, params: AnnotateParams, *, max_peaks: int
) -> PreparedSpectrum | CannotAnnotate:
    window = mass_window(spectrum, params)
    if isinstance(window, CannotAnnotate):
        return window
    features = spectrum_features(spectrum, window.adduct, max_peaks=max_peaks)
    if not len(features.mz):
        return CannotAnnotate("no_peaks", NO_PEAKS)
    return PreparedSpectrum(
        features=features,
        precursor_mz=window.precursor_mz,
        adduct=window.adduct,
        adduct_assumed=window.adduct_assumed,
        neutral_mass=window.neutral_mass,
        tolerance_da=window.tolerance_da,
    )


def no_candidates(question: PreparedSpectrum, params: AnnotateParams) -> CannotAnnotate:
    return CannotAnnotate(
        "no_candidates",
        f"The library has no molecule of {question.neutral_mass:.4f} Da within "
        f"{params.precursor_tolerance_ppm:g} ppm of the precursor ({question.adduct}). "
        "Check the adduct, widen the tolerance or use a larger library.",
    )


def _adduct(spectrum: Spectrum, assumed: Mapping[str, str]) -> tuple[str, bool]:
    """The spectrum's adduct, or the one to assume for its ion mode; empty if there is neither."""
    if spectrum.adduct:
        return spectrum.adduct, False
    mode = spectrum.ion_mode or ""
    if not mode and spectrum.charge:
        mode = "positive" if spectrum.charge > 0 else "negative"
    return assumed.get(mode, ""), True
