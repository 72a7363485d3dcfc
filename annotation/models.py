"""Re-exports only: each record lives in its own subpackage."""

from annotation.accounts.models import ApiToken, Membership, Project, Role
from annotation.integration.models import IdempotencyKey
from annotation.jobs.models import Job, JobItem, WorkerHeartbeat
from annotation.libraries.models import (
    Library,
    LibraryEmbedding,
    LibraryEntry,
    LibraryRowIssue,
    LibraryVersion,
    Molecule,
    MoleculeEmbedding,
)
from annotation.results.models import Annotation, Candidate, GeneratedMolecule, ModelVersion
from annotation.review.models import Verdict
from annotation.spectra.models import Spectrum, SpectrumIssue, Upload

__all__ = [
    "Annotation",
    "ApiToken",
    "Candidate",
    "GeneratedMolecule",
    "IdempotencyKey",
    "Job",
    "JobItem",
    "Library",
    "LibraryEmbedding",
    "LibraryEntry",
    "LibraryRowIssue",
    "LibraryVersion",
    "Membership",
    "ModelVersion",
    "Molecule",
    "MoleculeEmbedding",
    "Project",
    "Role",
    "Spectrum",
    "SpectrumIssue",
    "Upload",
    "Verdict",
    "WorkerHeartbeat",
]
