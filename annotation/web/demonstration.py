"""Which jobs are part of the demonstration, whose spectra were computed and not measured."""

from __future__ import annotations

from annotation.accounts.demonstration import PROJECT_SLUG
from annotation.jobs.models import Job


def is_demonstration(job: Job) -> bool:
    return job.project.slug == PROJECT_SLUG
