"""The admin: people and projects can be edited; what was computed or decided can only be read."""

from annotation.admin import accounts, jobs, libraries, references, results, review, spectra

__all__ = ["accounts", "jobs", "libraries", "references", "results", "review", "spectra"]
