"""Which peaks of a spectrum a candidate's fragments explain, for the colours of the plot."""

from __future__ import annotations

from functools import lru_cache

from annotation.results.models import Annotation, Candidate
from annotation.spectra.models import Spectrum
from annotation.spectra.records import to_exchange
from annotation.web.plot import Explanation
from models_ml.molecules.fragmentation import explain_peaks
from models_ml.molecules.structure_text import UnusableStructure

# Pages ask again for what they have just shown, when a verdict is recorded or a neighbour visited.
REMEMBERED = 256


def explain(annotation: Annotation, candidate: Candidate) -> dict[int, Explanation] | None:
    """By index of the peak in the file. None where it cannot be told. Nothing here changes ranks."""
    tolerance = float(annotation.job.params.get("precursor_tolerance_ppm", 10.0))
    found = _explained(annotation.spectrum_id, candidate.molecule.smiles, annotation.adduct, tolerance)
    return None if found is None else dict(found)


@lru_cache(maxsize=REMEMBERED)
def _explained(
    spectrum_id: int, smiles: str, adduct: str, tolerance_ppm: float
) -> tuple[tuple[int, Explanation], ...] | None:
    """Spectra never change, so the answer may be kept. One query."""
    spectrum = to_exchange(Spectrum.objects.get(pk=spectrum_id))
    try:
        peaks = explain_peaks(spectrum, smiles, adduct, tolerance_ppm)
    except (UnusableStructure, ValueError):
        return None
    return tuple((peak.peak_index, Explanation(peak.formula, peak.error_ppm, peak.atoms)) for peak in peaks)
