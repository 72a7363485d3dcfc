"""Which jobs and spectra belong to the demonstration. Their spectra are computed, not measured."""

from __future__ import annotations

from annotation.accounts.demonstration import JOB_EXTERNAL_ID, PROJECT_SLUG
from annotation.jobs.models import Job
from annotation.spectra.models import Spectrum

# The instrument type that the project's fragmenter writes into its spectra.
COMPUTED = "computed"


def is_demonstration(job: Job) -> bool:
    """Whether `manage.py load_demonstration` submitted the job.

    Other jobs in the demonstration project can have measured spectra.
    """
    return job.project.slug == PROJECT_SLUG and job.external_id == JOB_EXTERNAL_ID


def is_computed(spectrum: Spectrum) -> bool:
    return spectrum.instrument_type == COMPUTED
