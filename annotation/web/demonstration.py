"""Which jobs and spectra belong to the demonstration, and the published answers of its features.

A page shows an answer only if a person asks for it, so that people can decide first.
"""

from __future__ import annotations

from dataclasses import dataclass

from annotation.accounts.demonstration import JOB_EXTERNAL_ID, PROJECT_SLUG
from annotation.jobs.models import Job
from annotation.results.models import Annotation
from annotation.spectra.models import Spectrum
from models_ml.demonstration.files import Answer, published_answer

# The instrument type that the project's fragmenter writes into its spectra.
COMPUTED = "computed"


@dataclass(frozen=True, slots=True)
class RightAnswers:
    """How often rank 1 is the published molecule, in the job as it is now."""

    n_right: int
    n_in_library: int  # annotated features whose molecule the library has
    n_left_out: int  # annotated features whose molecule it lacks on purpose
    n_left_out_noticed: int  # those of them with the answer "none of these"


@dataclass(frozen=True, slots=True)
class PublishedAnswer:
    """The published molecule of one feature, beside the list of the server."""

    answer: Answer
    rank: int | None  # in the list; None: not in it


def is_demonstration(job: Job) -> bool:
    """Whether `manage.py load_demonstration` submitted the job.

    Other jobs in the demonstration project can have other spectra.
    """
    return job.project.slug == PROJECT_SLUG and job.external_id == JOB_EXTERNAL_ID


def is_computed(spectrum: Spectrum) -> bool:
    return spectrum.instrument_type == COMPUTED


def has_answer(annotation: Annotation) -> bool:
    """Whether the feature is one of the demonstration. Other projects may hold the same public record."""
    return annotation.job.project.slug == PROJECT_SLUG and bool(published_answer(annotation.spectrum.title))


def published(annotation: Annotation) -> PublishedAnswer | None:
    """The published answer of the feature; None if it has none. One query."""
    answer = published_answer(annotation.spectrum.title)
    if answer is None or not has_answer(annotation):
        return None
    listed = annotation.candidates.filter(molecule__inchikey_first_block=answer.inchikey_first_block)
    return PublishedAnswer(answer, listed.values_list("rank", flat=True).first())


def right_answers(job: Job) -> RightAnswers:
    """Counts over the annotated features of a demonstration job. One query."""
    rows = Annotation.objects.filter(job=job).order_by()
    columns = ("spectrum__title", "top_molecule__inchikey_first_block", "abstains", "n_candidates")
    n_right = n_in_library = n_left_out = n_noticed = 0
    for title, first_block, abstains, n_candidates in rows.values_list(*columns):
        answer = published_answer(title)
        if answer is None:
            continue
        n_in_library += answer.is_in_library
        n_right += first_block == answer.inchikey_first_block
        n_left_out += not answer.is_in_library
        n_noticed += not answer.is_in_library and bool(abstains or not n_candidates)
    return RightAnswers(n_right, n_in_library, n_left_out, n_noticed)
