"""A result as everything outside the database sees it: one `ResultView` for each feature of a job.

These classes are the only list of a result's fields. To show another fact, add a field here, nowhere else:

- REST answers and the OpenAPI schema take every field with its type and help (`api.serializers.from_view`).
- The admin shows every field of candidates, generated molecules and verdicts (`admin.view_inline`).
- The snapshot in a verdict keeps every field of the annotation and its lists (`review.snapshot`).
- CSV and JSON exports take the fields that declare a `Column` (`exports.columns`). New columns come last.

The web pages lay out each value by hand, so they are not derived.

`results.load` fills the views in a fixed number of queries. Verdicts belong to the layer above, `review`,
which passes them in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from annotation.jobs.models import JobItem
from annotation.results.channels import current_names
from annotation.results.view_fields import Column, Source
from annotation.spectra.models import Feature

IN_EXPORTS = Column()


def next_number(position: int) -> int:
    """People count from 1."""
    return position + 1


@dataclass(frozen=True, slots=True)
class FeatureView:
    """One ion of one run, whose spectra are annotated together. Most features have one spectrum."""

    number: Annotated[int, "Order in the upload, counted from 0."]
    label: Annotated[str, Column("feature_label"), "FEATURE_ID of the file; empty if it states none."]
    grouped_by: Annotated[Feature.GroupedBy, IN_EXPORTS, "`single`, `file` or `computed`."]
    reason: Annotated[str, "Why these spectra are one feature; empty for a single spectrum."]
    n_members: Annotated[int, IN_EXPORTS, "Spectra of the feature, outliers included."]
    n_outliers: Annotated[
        int, IN_EXPORTS, "Members whose peaks differ from those of the others. Their evidence does not count."
    ]
    retention_time_s: Annotated[float | None, Column("feature_retention_time_s"), "Of the representative."]
    purity: Annotated[
        float | None,
        IN_EXPORTS,
        "Share of the MS1 intensity in the isolation window that belongs to the precursor, 0 to 1. Null "
        "without MS1 scans.",
    ]
    isotope_mz: Annotated[tuple[float, ...], "Isotope pattern in MS1, monoisotopic first; empty without MS1."]
    isotope_intensity: tuple[float, ...]
    proposed_adduct: Annotated[str, IN_EXPORTS, "The adduct that MS1 suggests; empty if it suggests none."]
    proposed_adduct_reason: str
    quantities: Annotated[
        dict[str, str], IN_EXPORTS, "The feature's row of the quantification table, by column, as text."
    ]


@dataclass(frozen=True, slots=True)
class SpectrumView:
    """A measured spectrum without its peaks. For a feature, the spectrum that represents it."""

    external_id: Annotated[str, IN_EXPORTS, "The identifier that the submitter gave to the spectrum."]
    title: Annotated[str, IN_EXPORTS]
    source_index: Annotated[int, "Position in the uploaded file, counted from 0."]
    precursor_mz: Annotated[float | None, IN_EXPORTS]
    charge: Annotated[int | None, IN_EXPORTS, "Signed charge of the precursor."]
    adduct: Annotated[str, "As stated in the file; empty if it states none."]
    ion_mode: str
    collision_energy: Annotated[str, IN_EXPORTS, "As stated in the file, with its unit."]
    collision_energy_ev: float | None
    retention_time_s: Annotated[float | None, IN_EXPORTS]
    instrument: str
    instrument_type: str
    license: Annotated[str, Column("spectrum_license")]
    n_peaks: int
    splash: Annotated[str, IN_EXPORTS, "Hash of the peaks (SPLASH)."]
    upload_id: int
    sample_id: Annotated[
        str, "The sample that the submitter states for this spectrum; empty: the one of the file."
    ]


@dataclass(frozen=True, slots=True)
class MemberView:
    """One spectrum of an annotated feature, and what it alone says."""

    source_index: Annotated[
        int, Source("spectrum.source_index"), "Position in the uploaded file, counted from 0."
    ]
    title: Annotated[str, Source("spectrum.title")]
    collision_energy: Annotated[str, Source("spectrum.collision_energy")]
    retention_time_s: Annotated[float | None, Source("spectrum.retention_time_s")]
    n_peaks: Annotated[int, Source("spectrum.n_peaks")]
    splash: Annotated[str, Source("spectrum.splash")]
    is_representative: Annotated[bool, "It stands for the feature in lists."]
    is_outlier: Annotated[bool, "Its peaks differ from those of the others; its evidence does not count."]
    p_right: Annotated[
        float | None, "Probability of the feature's rank 1 by this spectrum alone. Null with method `glmr`."
    ]
    top_smiles: Annotated[str, "The candidate that this spectrum alone ranks first; empty if not known."]
    top_inchikey_first_block: str
    top_probability: Annotated[float | None, "Its probability by this spectrum alone."]
    reason: Annotated[str, "Why the spectrum was left out; empty if its evidence counts."]


@dataclass(frozen=True, slots=True)
class CandidateView:
    """A ranked molecule of the library."""

    rank: Annotated[int, IN_EXPORTS]
    name: Annotated[str, IN_EXPORTS, "The name in the library; empty if it has none."]
    smiles: Annotated[str, IN_EXPORTS, Source("molecule.smiles")]
    inchikey_first_block: Annotated[str, IN_EXPORTS, Source("molecule.inchikey_first_block")]
    formula: Annotated[str, IN_EXPORTS, Source("molecule.formula")]
    exact_mass: Annotated[
        float, IN_EXPORTS, Source("molecule.exact_mass"), "Neutral monoisotopic mass in Da."
    ]
    mass_error_ppm: Annotated[float, IN_EXPORTS, "Measured minus theoretical precursor m/z."]
    retrieval_rank: Annotated[int, IN_EXPORTS, "Rank in the pre-retrieval, before re-ranking."]
    embedding_similarity: Annotated[
        float, IN_EXPORTS, "Cosine similarity of spectrum and molecule. Not calibrated."
    ]
    generated_similarity: Annotated[
        float | None,
        IN_EXPORTS,
        "Cosine similarity to the generated molecules. Not calibrated. It decides the ranks with method "
        "`glmr` and has no weight with `fused`. Null if the model generated no valid molecule.",
    ]
    probability: Annotated[
        float | None, IN_EXPORTS, "Probability that this is the molecule. Null with method `glmr`."
    ]
    evidence: Annotated[
        dict[str, float],
        IN_EXPORTS,
        Source("evidence", current_names),
        "Raw score of each evidence channel: `fingerprint`, `fragments`, `predicted`, `fragment_coverage` "
        "(share of the summed square-root intensity of the 32 strongest peaks that a fragment explains, 0 to "
        "1) and `analogs`. Larger is better. A channel without a value is left out.",
    ]


@dataclass(frozen=True, slots=True)
class FormulaView:
    """A molecular formula within the precursor tolerance, ranked without the library."""

    rank: int
    formula: Annotated[str, "Of the neutral molecule, in Hill order."]
    mass_error_ppm: Annotated[float, "Measured minus theoretical precursor m/z."]
    n_explained_peaks: Annotated[int, "Peaks that a part of the formula explains."]
    explained_intensity: Annotated[
        float, "Share of the square-root intensity of the peaks that they hold, 0 to 1."
    ]
    isotope_similarity: Annotated[
        float | None, "Similarity of measured and theoretical isotope pattern, 0 to 1. Null without MS1."
    ]
    probability: Annotated[float, "Calibrated probability that this is the formula."]


@dataclass(frozen=True, slots=True)
class GeneratedView:
    """A molecule that the language model generated. Never ranked."""

    beam_rank: int
    text: Annotated[str, "The text as generated, valid or not."]
    smiles: Annotated[str, "Standardised; empty if the text is not a valid molecule."]
    inchikey_first_block: str
    formula: str
    exact_mass: float | None
    mass_error_ppm: float | None
    log_likelihood: float
    in_library: Annotated[bool, "The library version of the job contains the molecule."]
    is_proposed: Annotated[bool, "Not in the library, and its mass fits the precursor."]


@dataclass(frozen=True, slots=True)
class VerdictView:
    """The decision of a curator. `review.verdict_view` makes it."""

    id: int
    decision: Annotated[str, Column("verdict_decision")]
    level: Annotated[str, Column("verdict_level"), "Confidence level; empty if the verdict sets none."]
    candidate_rank: Annotated[int | None, Source("candidate.rank")]
    smiles: Annotated[str, Column("verdict_smiles"), "The structure that was chosen; empty if there is none."]
    as_reference: Annotated[bool, "The spectrum may serve as a reference for this structure."]
    reason: Annotated[str, Column("verdict_reason")]
    comment: Annotated[str, Column("verdict_comment")]
    decided_by: Annotated[str, Column("verdict_by"), Source("decided_by.username")]
    decided_at: Annotated[datetime, Column("verdict_at")]


@dataclass(frozen=True, slots=True)
class RunView:
    """Provenance of one annotation: the software and the worker that computed it."""

    code_version: Annotated[str, IN_EXPORTS]
    rdkit_version: Annotated[str, IN_EXPORTS]
    torch_version: str
    preprocessing_version: Annotated[str, IN_EXPORTS]
    device: str
    worker: str
    attempt: int
    timings_s: Annotated[dict[str, float], "Seconds for each stage."]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class JobView:
    """Provenance that all results of a job share: its library, references, model and parameters."""

    job_id: Annotated[UUID, IN_EXPORTS, Source("public_id")]
    job_external_id: Annotated[str, IN_EXPORTS, Source("external_id")]
    library: Annotated[str, IN_EXPORTS, Source("library_version.library.name")]
    library_version: Annotated[int, IN_EXPORTS, Source("library_version.number")]
    library_sha256: Annotated[str, IN_EXPORTS, Source("library_version.content_sha256")]
    references: Annotated[str | None, IN_EXPORTS, Source("reference_version.collection.name")]
    references_version: Annotated[int | None, IN_EXPORTS, Source("reference_version.number")]
    references_sha256: Annotated[str | None, IN_EXPORTS, Source("reference_version.content_sha256")]
    model: Annotated[str, IN_EXPORTS, Source("model_version.name")]
    checkpoint_sha256: Annotated[str, IN_EXPORTS, Source("model_version.checkpoint_sha256")]
    ranking_sha256: Annotated[str, IN_EXPORTS, Source("model_version.ranking_sha256")]
    tokenizer_sha256: Annotated[str, Source("model_version.tokenizer_sha256")]
    params: dict[str, Any]
    params_sha256: Annotated[str, IN_EXPORTS]
    submitted_by: Annotated[str, Source("submitted_by.username")]
    submitted_at: Annotated[datetime, Source("created_at")]


@dataclass(frozen=True, slots=True)
class AnnotationView:
    """The answer for one feature."""

    id: Annotated[UUID, Column("annotation_id"), Source("public_id")]
    adduct: Annotated[str, Column(fallback="spectrum.adduct"), "The adduct that the search used."]
    adduct_assumed: Annotated[bool, IN_EXPORTS, "The spectrum states no adduct; the job's default was used."]
    adduct_source: Annotated[
        str,
        IN_EXPORTS,
        "Where the adduct comes from: `file` states it, `ms1` suggested it and the submitter accepted it, or "
        "the job's default was `assumed`.",
    ]
    neutral_mass: Annotated[float, IN_EXPORTS, "In Da."]
    n_in_window: Annotated[int, IN_EXPORTS, "Molecules of the library within the precursor tolerance."]
    n_candidates: Annotated[int, IN_EXPORTS]
    proposed_level: Annotated[
        str, IN_EXPORTS, "Confidence level that the server proposes. Curators set levels."
    ]
    method: Annotated[
        str, IN_EXPORTS, "The method that ranked the candidates. With `glmr`, probabilities are null."
    ]
    p_right: Annotated[
        float | None,
        IN_EXPORTS,
        "Probability that rank 1 is the molecule. Calibrated with a large library that lacked 3 in 100 "
        "molecules. It is too high for a small library, and has no meaning for a single candidate.",
    ]
    p_close: Annotated[
        float | None,
        IN_EXPORTS,
        "Probability that the Tanimoto similarity of rank 1 and the molecule is at least 0.6.",
    ]
    p_absent: Annotated[float | None, IN_EXPORTS, "Probability that the molecule is not a candidate."]
    abstains: Annotated[
        bool | None,
        IN_EXPORTS,
        "True if “none of these” would be more likely than rank 1 in a library that lacks one molecule in "
        "five.",
    ]
    margin: Annotated[
        float | None,
        "Rank 1 minus rank 2: of the probabilities with `fused`, of the generated similarities with `glmr`. "
        "Null with fewer than two candidates.",
    ]
    candidates: tuple[CandidateView, ...]  # by rank
    formulas: tuple[FormulaView, ...]  # by rank
    best_formula: Annotated[
        str,
        IN_EXPORTS,
        "The most likely molecular formula, ranked without the library. Empty if there is none.",
    ]
    formula_note: Annotated[str, "What limited the search for formulas; empty if nothing did."]
    best_formula_probability: Annotated[float | None, IN_EXPORTS, "Probability of `best_formula`."]
    generated: tuple[GeneratedView, ...]  # by beam; only the proposed ones where a table is loaded
    proposed_smiles: Annotated[
        tuple[str, ...],
        IN_EXPORTS,
        "Generated molecules outside the library whose mass fits the precursor, most likely first. Never "
        "ranked.",
    ]
    verdict: VerdictView | None  # the latest
    run: RunView
    reference_similarity: Annotated[
        float | None,
        IN_EXPORTS,
        "Similarity of the most similar reference spectrum with the precursor, 0 to 1. Null if none "
        "resembles it, and in results of release 0.1.",
    ]
    reference_disagreement: Annotated[
        float | None,
        IN_EXPORTS,
        "Similarity of the best reference spectrum of any other molecule minus that of the best one of "
        "rank 1. Above 0, the references support another molecule.",
    ]


@dataclass(frozen=True, slots=True)
class ResultView:
    """One feature of a job and its result: an annotation, or the reason why there is none."""

    position: Annotated[int, IN_EXPORTS, "Order of submission within the job, counted from 0."]
    state: Annotated[JobItem.State, IN_EXPORTS]
    error_code: Annotated[str, IN_EXPORTS]
    error: Annotated[str, IN_EXPORTS]
    feature: FeatureView
    spectrum: SpectrumView
    annotation: AnnotationView | None
    job: JobView
    number: Annotated[
        int, IN_EXPORTS, Source("position", next_number), "The number that the pages show: position plus 1."
    ]
    sample: Annotated[
        str,
        IN_EXPORTS,
        Source("spectrum.upload.sample"),
        "Identifier of the measured sample, as the submitter stated it for the file.",
    ]
