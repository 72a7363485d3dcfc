"""How a report says things: outcomes, numbers and methods in words for a customer."""

from __future__ import annotations

from annotation.jobs.models import Job, JobItem
from annotation.results.probability_words import ONLY_CANDIDATE, probability_words
from annotation.results.view import AnnotationView, ResultView
from annotation.review.models import Verdict
from glmr_server import __version__

NO_VALUE = "–"
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
STATE_WORDS = {
    JobItem.State.NO_MATCH: "No library molecule has this mass",
    JobItem.State.UNUSABLE: "Cannot be annotated",
    JobItem.State.FAILED: "Failed",
    JobItem.State.CANCELLED: "Cancelled",
    JobItem.State.PENDING: "Not annotated yet",
    JobItem.State.RUNNING: "Not annotated yet",
}
REVIEWED_WORDS = {
    Verdict.Decision.ACCEPT: "rank 1 accepted",
    Verdict.Decision.CHOOSE: "another candidate chosen",
    Verdict.Decision.PROPOSE: "own structure proposed",
    Verdict.Decision.WRONG_ADDUCT: "wrong adduct",
    Verdict.Decision.MIXTURE: "mixture",
    Verdict.Decision.INSUFFICIENT: "insufficient evidence",
    Verdict.Decision.REJECT: "rejected",
}
CAUTIONS = (
    "A rank is a proposal. Without a reference standard, no result of this report is a confirmed structure. "
    "The confidence levels follow Schymanski et al. (2014). The server alone proposes at most level 3.",
    "Isomers often give nearly the same spectrum. Where the alternatives have similar probabilities, read "
    "the answer as one of them.",
    "Probabilities were calibrated with a large library that lacked 3 in 100 of the molecules. With a small "
    "library they are too high, and for an only candidate they say only how well it explains the spectrum.",
)
REFERENCES = (
    "GLMR, the method: arXiv:2511.06259, doi:10.48550/arXiv.2511.06259.",
    "Confidence levels: E. L. Schymanski et al., Environ. Sci. Technol. 48, 2097 (2014), "
    "doi:10.1021/es5002105.",
    "SPLASH, the hash of spectra: G. Wohlgemuth et al., Nat. Biotechnol. 34, 1099 (2016), "
    "doi:10.1038/nbt.3689.",
    "RDKit, structures and formulas: https://www.rdkit.org.",
)


def fixed(value: float | None, digits: int, unit: str = "") -> str:
    return NO_VALUE if value is None else f"{value:,.{digits}f}{unit}"


def percent(value: float | None) -> str:
    """Whole percent, and never 0 or 100 for a probability that is neither."""
    if value is None:
        return NO_VALUE
    if value < 0.005:
        return "< 1 %"
    return "> 99 %" if value > 0.995 else f"{100 * value:.0f} %"


def formula(text: str) -> str:
    """With subscripts, as people write it."""
    return text.translate(_SUBSCRIPTS)


def minutes(seconds: float | None) -> str:
    return NO_VALUE if seconds is None else f"{seconds / 60:.2f} min"


def outcome(result: ResultView) -> str:
    """A few words, the same for equal outcomes, so that they can be counted."""
    annotation = result.annotation
    if annotation is None or not annotation.candidates:
        return STATE_WORDS.get(result.state, "No candidate")
    if annotation.verdict is not None:
        return f"Reviewed: {REVIEWED_WORDS[Verdict.Decision(annotation.verdict.decision)]}"
    words = probability_words(annotation)
    return f"Rank 1 {words}" if words and words != ONLY_CANDIDATE else words.capitalize() or "Ranked only"


def sentence(result: ResultView) -> str:
    """What the result means, in one or two sentences."""
    annotation = result.annotation
    if annotation is None or not annotation.candidates:
        return _no_candidate(result)
    if annotation.verdict is not None:
        return _reviewed(annotation)
    if annotation.n_candidates == 1:
        return "It is the only molecule of this mass in the library, so nothing compares it with others."
    words = probability_words(annotation)
    if not words:
        return "It ranks first. The method of this job gives no probabilities."
    text = f"It is {words.split(',')[0]} the molecule ({percent(annotation.p_right)})."
    if annotation.abstains:
        text += " The spectrum also fits the case that no candidate is right."
    return text


def _no_candidate(result: ResultView) -> str:
    text = result.error or f"{STATE_WORDS.get(result.state, 'No candidate')}."
    formula = result.annotation.best_formula if result.annotation else ""
    if formula and result.annotation:
        text += (
            f" The most likely formula is {formula} ({percent(result.annotation.best_formula_probability)})."
        )
    return text


def _reviewed(annotation: AnnotationView) -> str:
    verdict = annotation.verdict
    assert verdict is not None
    text = f"Reviewed by {verdict.decided_by}: {REVIEWED_WORDS[Verdict.Decision(verdict.decision)]}."
    return f"{text} {verdict.reason}" if verdict.reason else text


def level(annotation: AnnotationView | None) -> str:
    if annotation is None or not annotation.candidates:
        return NO_VALUE
    if annotation.verdict is not None and annotation.verdict.level:
        return f"{annotation.verdict.level} (set by a curator)"
    return f"{annotation.proposed_level} (proposed)"


def methods(job: Job, n_features: int) -> list[str]:
    """The methods section. `job` must be loaded with its library, model and references."""
    library, params = job.library_version, job.params
    method = params.get("method", "fused")
    ranked = (
        "ranked by several channels of evidence together, with calibrated probabilities"
        if method == "fused"
        else "ranked by the similarity to molecules that a language model generated from the spectrum"
    )
    texts = [
        f"{n_features:,} features (ions of one run) of the job “{job.name}”, submitted by "
        f"{job.submitted_by.username} on {job.created_at:%Y-%m-%d}, were annotated with GLMR Server "
        f"{__version__}.",
        f"Candidates are all molecules of the library {library.library.name}, version {library.number} "
        f"({library.n_molecules:,} molecules, SHA-256 {library.content_sha256[:12]}…), whose mass is within "
        f"{params.get('precursor_tolerance_ppm', 10):g} ppm of the precursor. They were {ranked} (method "
        f"{method}, model {job.model_version.name}, SHA-256 {job.model_version.checkpoint_sha256[:12]}…).",
    ]
    if job.reference_version is not None:
        references = job.reference_version
        texts.append(
            f"Reference spectra of {references.collection.name}, version {references.number}, served as "
            "further evidence."
        )
    texts.append(
        "A peak counts as explained if a fragment of the candidate has its m/z within the precursor "
        "tolerance. Intensities are relative to the strongest peak."
    )
    return texts
