"""Which peaks of a spectrum the fragments of a candidate explain. For the plot only; ranks do not use it."""

from __future__ import annotations

from functools import lru_cache

from annotation.jobs.parameters import from_json
from annotation.results.models import Annotation, Candidate
from annotation.spectra.models import Spectrum
from annotation.spectra.records import to_exchange
from annotation.web.spectrum_plot_data import Explanation, PeakExplanations
from models_ml.molecules.peak_explanations import explain_peaks
from models_ml.molecules.structure_text import UnusableStructure
from models_ml.molecules.subformulas import subformulas_of_peaks

# A curator returns to candidates seen a moment ago, and each recorded verdict shows the page again.
CACHE_SIZE = 256


def explanations_of(
    annotation: Annotation, candidate: Candidate, spectrum_id: int | None = None
) -> PeakExplanations | None:
    """What the candidate explains within the job's precursor tolerance.

    Of the spectrum with the id, by default of the representative.

    None where the candidate cannot be fragmented. One query, none if cached.
    """
    molecule = candidate.molecule
    return explanations_by(annotation, molecule.smiles, molecule.formula, spectrum_id)


def explanations_by(
    annotation: Annotation, smiles: str, formula: str, spectrum_id: int | None = None
) -> PeakExplanations | None:
    """As `explanations_of`, for a structure that is no candidate."""
    tolerance_ppm = from_json(annotation.job.params).precursor_tolerance_ppm
    return _explained(
        spectrum_id or annotation.spectrum_id, smiles, formula, annotation.adduct, tolerance_ppm
    )


# Spectra never change, so an entry never becomes wrong. Keys are IDs, because a cached row would keep its
# peaks in memory.
@lru_cache(maxsize=CACHE_SIZE)
def _explained(
    spectrum_id: int, smiles: str, formula: str, adduct: str, tolerance_ppm: float
) -> PeakExplanations | None:
    spectrum = to_exchange(Spectrum.objects.get(pk=spectrum_id))
    try:
        fragments = explain_peaks(spectrum, smiles, adduct, tolerance_ppm)
    except (UnusableStructure, ValueError):
        return None
    explained = {peak.peak_index for peak in fragments}
    parts = subformulas_of_peaks(spectrum, formula, adduct, tolerance_ppm, without=explained)
    return PeakExplanations(
        by_fragment={
            peak.peak_index: Explanation(peak.formula, peak.error_ppm, peak.atoms, peak.smiles)
            for peak in fragments
        },
        by_formula={part.peak_index: Explanation(part.formula, part.error_ppm) for part in parts},
    )
