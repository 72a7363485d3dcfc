"""Re-exports the models of all subpackages, because Django expects them here."""

from annotation.accounts.models import (
    Account,
    ApiToken,
    AuditEvent,
    BrowserSession,
    Membership,
    Project,
    Role,
    ServiceAccount,
)
from annotation.checkpoints.models import ModelVersion
from annotation.exports.models import Export
from annotation.imports.models import VersionImport
from annotation.integration.models import Change, IdempotencyKey
from annotation.jobs.models import EndNotice, Job, JobItem, JobPreset, JobWindow, WorkerHeartbeat
from annotation.libraries.models import (
    Library,
    LibraryEmbedding,
    LibraryEntry,
    LibraryRowIssue,
    LibraryVersion,
    Molecule,
    MoleculeBits,
    MoleculeEmbedding,
    MoleculePattern,
)
from annotation.references.models import (
    ReferenceCollection,
    ReferenceIssue,
    ReferenceSpectrum,
    ReferenceVersion,
)
from annotation.results.models import Annotation, Candidate, GeneratedMolecule
from annotation.review.models import Verdict
from annotation.spectra.models import Feature, FeatureMember, PartialUpload, Spectrum, SpectrumIssue, Upload
from annotation.webhooks.models import Webhook, WebhookAttempt, WebhookDelivery, WebhookEvent

__all__ = [
    "Account",
    "Annotation",
    "ApiToken",
    "AuditEvent",
    "BrowserSession",
    "Candidate",
    "Change",
    "EndNotice",
    "Export",
    "Feature",
    "FeatureMember",
    "GeneratedMolecule",
    "IdempotencyKey",
    "Job",
    "JobItem",
    "JobPreset",
    "JobWindow",
    "Library",
    "LibraryEmbedding",
    "LibraryEntry",
    "LibraryRowIssue",
    "LibraryVersion",
    "Membership",
    "ModelVersion",
    "Molecule",
    "MoleculeBits",
    "MoleculeEmbedding",
    "MoleculePattern",
    "PartialUpload",
    "Project",
    "ReferenceCollection",
    "ReferenceIssue",
    "ReferenceSpectrum",
    "ReferenceVersion",
    "Role",
    "ServiceAccount",
    "Spectrum",
    "SpectrumIssue",
    "Upload",
    "Verdict",
    "VersionImport",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEvent",
    "WorkerHeartbeat",
]
