"""What a signed-in person may open: every page finds its records here, and another project's are 404."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from annotation.accounts.models import Project, Role
from annotation.jobs.models import Job
from annotation.libraries.models import Library, LibraryVersion, Molecule
from annotation.references.models import ReferenceCollection, ReferenceVersion
from annotation.results.models import Annotation
from annotation.spectra.models import Upload


class SignedInRequest(HttpRequest):
    """A request behind `login_required`; for the type checker only."""

    user: User


def projects(user: User, at_least: Role = Role.VIEWER) -> QuerySet[Project]:
    return Project.objects.visible_to(user, at_least)


def holds(user: User, project_id: int, role: Role) -> bool:
    """Whether the person holds the role in the project. One query."""
    return projects(user, role).filter(pk=project_id).exists()


def require(user: User, project_id: int, role: Role) -> None:
    """403 for someone who sees the project but may not do this in it."""
    if not holds(user, project_id, role):
        raise PermissionDenied(
            f"This needs the role “{role.label.lower()}” in the project. Ask a manager of the project for it."
        )


def jobs(user: User) -> QuerySet[Job]:
    return Job.objects.filter(project__in=projects(user))


def job_or_404(user: User, public_id: UUID) -> Job:
    rows = jobs(user).select_related(
        "project",
        "submitted_by",
        "model_version",
        "library_version__library__project",
        "reference_version__collection",
    )
    return get_object_or_404(rows, public_id=public_id)


def visible_annotations(user: User) -> QuerySet[Annotation]:
    return Annotation.objects.filter(job__project__in=projects(user))


def annotation_or_404(user: User, public_id: UUID) -> Annotation:
    rows = visible_annotations(user).select_related(
        "item",
        "spectrum__upload",
        "top_molecule",
        "job__project",
        "job__submitted_by",
        "job__model_version",
        "job__library_version__library",
        "job__reference_version__collection",
    )
    return get_object_or_404(rows, public_id=public_id)


def uploads(user: User, at_least: Role = Role.VIEWER) -> QuerySet[Upload]:
    return Upload.objects.filter(project__in=projects(user, at_least))


def libraries(user: User) -> QuerySet[Library]:
    """Libraries offered to all, and those of the person's own projects."""
    return Library.objects.filter(Q(project=None) | Q(project__in=projects(user)))


def library_versions(user: User) -> QuerySet[LibraryVersion]:
    return LibraryVersion.objects.filter(library__in=libraries(user))


def collections(user: User) -> QuerySet[ReferenceCollection]:
    """Reference collections offered to all, and those of the person's own projects."""
    return ReferenceCollection.objects.filter(Q(project=None) | Q(project__in=projects(user)))


def reference_versions(user: User) -> QuerySet[ReferenceVersion]:
    return ReferenceVersion.objects.filter(collection__in=collections(user))


def molecules(user: User) -> QuerySet[Molecule]:
    """Molecules of some library or reference version that the person may see."""
    return Molecule.objects.filter(
        Q(entries__version__in=library_versions(user)) | Q(references__version__in=reference_versions(user))
    )
