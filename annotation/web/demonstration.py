"""Which jobs and spectra are of the demonstration kind: computed, not measured."""

from __future__ import annotations

from annotation.accounts.demonstration import JOB_EXTERNAL_ID, PROJECT_SLUG
from annotation.jobs.models import Job
from annotation.spectra.models import Spectrum

# What the project's own fragmenter writes into each spectrum that it makes.
COMPUTED = "computed"


def is_demonstration(job: Job) -> bool:
    """The job that `manage.py load_demonstration` submits; others in that project may well be measured."""
    return job.project.slug == PROJECT_SLUG and job.external_id == JOB_EXTERNAL_ID


def is_computed(spectrum: Spectrum) -> bool:
    return spectrum.instrument_type == COMPUTED
