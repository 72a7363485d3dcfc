"""The admin: people, projects and libraries can be edited; results and verdicts can only be read."""

from annotation.admin import accounts, jobs, libraries, references, results, review, spectra

__all__ = ["accounts", "jobs", "libraries", "references", "results", "review", "spectra"]
