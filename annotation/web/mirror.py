"""What the mirror plot draws below a spectrum: a reference spectrum, or the one predicted for a candidate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotation.references.matches import similarity_of
from annotation.references.models import ReferenceSpectrum
from annotation.results.models import Annotation, Candidate
from annotation.spectra.models import Spectrum
from annotation.spectra.records import to_exchange
from annotation.web.spectrum_plot_data import HasPeaks, SpectrumPlotData, plot_data
from models_ml.evidence.fragments import match_tolerance
from models_ml.evidence.predicted_spectrum import NoPrediction, predict_spectrum, read_weights

PREDICTED = "predicted"
_REFERENCE = "reference-"
_NOTHING = SpectrumPlotData((), 0, 0, 0, 0, None, None)


@dataclass(frozen=True)
class Mirror:
    kind: str  # "reference" or "predicted"
    label: str
    plot: SpectrumPlotData
    n_matched: int  # peaks of `plot` with a partner above
    matched: frozenset[int]  # indices of the peaks above with a partner
    similarity: float | None = None  # to a reference spectrum, as in the list of matches
    problem: str = ""  # why nothing is drawn


def reference_choice(reference: ReferenceSpectrum) -> str:
    """The choice that shows the reference spectrum."""
    return f"{_REFERENCE}{reference.pk}"


def load_mirror(
    annotation: Annotation, spectrum: Spectrum, candidate: Candidate | None, choice: str
) -> Mirror | None:
    """None for an empty or unknown choice. One query for a reference spectrum."""
    if choice == PREDICTED and candidate is not None:
        return _predicted(annotation, spectrum, candidate)
    number = choice.removeprefix(_REFERENCE)
    if choice.startswith(_REFERENCE) and number.isdecimal() and len(number) < 19:
        return _reference(annotation, spectrum, int(number))
    return None


def _reference(annotation: Annotation, spectrum: Spectrum, pk: int) -> Mirror | None:
    """Only of the job's version of reference spectra, which everybody who sees the result may see."""
    rows = ReferenceSpectrum.objects.filter(version_id=annotation.job.reference_version_id)
    reference = rows.select_related("molecule").defer("molecule__fingerprint").filter(pk=pk).first()
    if reference is None:
        return None
    label = f"{reference.title or reference.origin}, {reference.adduct} {reference.collision_energy}".strip()
    measured = to_exchange(spectrum)
    has_precursor = measured.precursor_mz is not None
    similarity = similarity_of(measured, annotation.adduct, reference) if has_precursor else None
    return _mirror("reference", label, spectrum, reference.to_exchange(), similarity)


def _predicted(annotation: Annotation, spectrum: Spectrum, candidate: Candidate) -> Mirror:
    model = annotation.job.model_version
    precursor_mz = spectrum.precursor_mz or annotation.spectrum.precursor_mz
    try:
        if precursor_mz is None or not model.ranking_sha256:
            raise NoPrediction("The model of this result has no network that predicts fragments.")
        predicted = predict_spectrum(
            read_weights(model.folder, model.ranking_sha256),
            candidate.molecule.smiles,
            annotation.adduct,
            precursor_mz,
            spectrum.collision_energy,
            spectrum.collision_energy_ev,
        )
    except NoPrediction as reason:
        return Mirror("predicted", "", _NOTHING, 0, frozenset(), problem=str(reason))
    share = round(100 * predicted.share_of_fragments)
    label = f"predicted for rank {candidate.rank}, {share} % of the signal on fragments"
    return _mirror("predicted", label, spectrum, predicted)


def _mirror(
    kind: str, label: str, above: HasPeaks, below: HasPeaks, similarity: float | None = None
) -> Mirror:
    matched_above, matched_below = _matches(above, below)
    return Mirror(
        kind=kind,
        label=label,
        plot=plot_data(below, matched=matched_below),
        n_matched=len(matched_below),
        matched=frozenset(matched_above),
        similarity=similarity,
    )


def _matches(above: HasPeaks, below: HasPeaks) -> tuple[set[int], set[int]]:
    """Indices of the peaks above and below with a partner, within the tolerance of the fragment channels."""
    order = np.argsort(above.mz, kind="stable")
    ascending = above.mz[order]
    half = match_tolerance(below.mz)
    first = np.searchsorted(ascending, below.mz - half)
    last = np.searchsorted(ascending, below.mz + half, side="right")
    partners = {int(order[i]) for low, high in zip(first, last, strict=True) for i in range(low, high)}
    return partners, {int(index) for index in np.flatnonzero(last > first)}
