"""Prepares a spectrum for annotation: its precursor window and features, or the reason why it has none."""

from __future__ import annotations

from dataclasses import dataclass

from models_ml.outcomes import AnnotateParams, CannotAnnotate, Embedding, Query
from models_ml.spectra import adducts, zwitterions
from models_ml.spectra.features import SpectrumFeatures, spectrum_features
from models_ml.spectra.spectrum import Spectrum

NO_PRECURSOR = CannotAnnotate(
    "no_precursor",
    "The spectrum has no precursor m/z, so its mass window is unknown. "
    "Add it to the record (PEPMASS, PrecursorMZ) and submit again.",
)
NO_ADDUCT = CannotAnnotate(
    "no_adduct",
    "The spectrum has no adduct, so the mass of its molecule is unknown. Add it to the record "
    "(ADDUCT, Precursor_type), or choose an adduct to assume when submitting.",
)
NOT_ENFORCED = CannotAnnotate(
    "no_adduct",
    "The job enforces its own adducts and has none for the ion mode of this spectrum, or the spectrum states "
    "no ion mode. Choose an adduct for both modes, or another adduct policy, and submit again.",
)
NO_PEAKS = CannotAnnotate(
    "no_peaks", "The spectrum has no peak with a positive m/z and intensity. Export it again with its peaks."
)


@dataclass(frozen=True, slots=True)
class PrecursorWindow:
    """The mass window in which `annotate` searches. It depends on the precursor only, not on the peaks."""

    precursor_mz: float
    adduct: str
    adduct_assumed: bool
    neutral_mass: float  # Da
    tolerance_da: float  # half width of the window, of the neutral mass

    @property
    def zwitterion_mass(self) -> float | None:
        """The middle of a second window, in Da, in which only zwitterions count. See `zwitterions`."""
        return zwitterions.zwitterion_mass(self.precursor_mz, self.adduct)

    def query(self, embedding: Embedding) -> Query:
        return Query(embedding, self.neutral_mass, self.tolerance_da, self.zwitterion_mass)

    def mass_error_ppm(self, exact_mass: float, smiles: str) -> float:
        """(measured - theoretical) / theoretical, at the precursor's m/z."""
        adduct = zwitterions.adduct_of(smiles, exact_mass, self.precursor_mz, self.adduct)
        theoretical = adducts.precursor_mz(exact_mass, adduct)
        return (self.precursor_mz - theoretical) / theoretical * 1e6


@dataclass(frozen=True, slots=True, eq=False)
class PreparedSpectrum:
    """A spectrum that can be annotated."""

    features: SpectrumFeatures
    window: PrecursorWindow


def mass_window(spectrum: Spectrum, params: AnnotateParams) -> PrecursorWindow | CannotAnnotate:
    """The window that `annotate` searches. It needs no peaks, so a server can compute it in advance."""
    precursor_mz = spectrum.precursor_mz
    if precursor_mz is None or not 0 < precursor_mz < float("inf"):
        return NO_PRECURSOR
    adduct, assumed = _adduct(spectrum, params)
    if not adduct:
        return NOT_ENFORCED if params.adduct_policy == "enforced" else NO_ADDUCT
    try:
        ion = adducts.parse(adduct)
    except ValueError as error:
        return CannotAnnotate("unsupported_adduct", str(error))
    if assumed and not _agrees(spectrum, ion):
        return _unsuitable_assumption(spectrum, ion)
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
    return PreparedSpectrum(features, window) if len(features.mz) else NO_PEAKS


def no_candidates(window: PrecursorWindow, params: AnnotateParams) -> str:
    """Why a search of this window has no match, for people."""
    return (
        f"The library has no molecule of {window.neutral_mass:.4f} Da within "
        f"{params.precursor_tolerance_ppm:g} ppm of the precursor ({window.adduct}). "
        "Check the adduct, widen the tolerance or use a larger library."
    )


def _adduct(spectrum: Spectrum, params: AnnotateParams) -> tuple[str, bool]:
    """The adduct that counts by the policy, and whether it is assumed. Empty if there is none."""
    if spectrum.adduct and params.adduct_policy != "enforced":
        return spectrum.adduct, False
    if params.adduct_policy == "detected":
        return "", False
    return params.assumed_adducts.get(_ion_mode(spectrum), ""), True


def _ion_mode(spectrum: Spectrum) -> str:
    """As stated, else by the charge, else by the sign of the adduct. Empty if nothing tells it."""
    if spectrum.ion_mode:
        return spectrum.ion_mode
    if spectrum.charge:
        return "positive" if spectrum.charge > 0 else "negative"
    sign = (spectrum.adduct or "")[-1:]
    return {"+": "positive", "-": "negative"}.get(sign, "")


def _agrees(spectrum: Spectrum, ion: adducts.Adduct) -> bool:
    """Whether an assumed adduct has the charge and the polarity that the spectrum states."""
    if spectrum.charge and spectrum.charge != ion.charge:
        return False
    return spectrum.ion_mode is None or (spectrum.ion_mode == "positive") == (ion.charge > 0)


def _unsuitable_assumption(spectrum: Spectrum, ion: adducts.Adduct) -> CannotAnnotate:
    stated = f"charge {spectrum.charge:+d}" if spectrum.charge else f"ion mode {spectrum.ion_mode}"
    return CannotAnnotate(
        "no_adduct",
        f"The adduct to assume, {ion.notation} (charge {ion.charge:+d}), does not fit the {stated} of the "
        "spectrum. Add the adduct to the record, such as [M+2H]2+ for charge +2, or choose another adduct to "
        "assume when submitting.",
    )
