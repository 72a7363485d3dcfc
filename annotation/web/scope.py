"""The records that a signed-in person may open. Every page finds its records here; all others are 404."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from annotation.accounts.models import Project, Role
from annotation.imports import actions
from annotation.imports.models import VersionImportQuerySet
from annotation.jobs.models import Job, JobQuerySet
from annotation.libraries.models import (
    Library,
    LibraryQuerySet,
    LibraryVersion,
    LibraryVersionQuerySet,
    Molecule,
)
from annotation.references.models import (
    ReferenceCollection,
    ReferenceCollectionQuerySet,
    ReferenceVersion,
    ReferenceVersionQuerySet,
)
from annotation.references.visible_molecules import visible_molecules
from annotation.results.models import Annotation, AnnotationQuerySet
from annotation.spectra.models import PartialUpload, Upload, UploadQuerySet


class SignedInRequest(HttpRequest):
    """A request behind `login_required`. Serves only the type checker."""

    user: User


def projects(user: User, at_least: Role = Role.VIEWER) -> QuerySet[Project]:
    return Project.objects.visible_to(user, at_least)


def holds(user: User, project_id: int, role: Role) -> bool:
    """Whether the person has the role, or a stronger one, in the project. One query."""
    return projects(user, role).filter(pk=project_id).exists()


def require(user: User, project_id: int, role: Role) -> None:
    """Raises PermissionDenied (403) unless the person has the role in a project that it can see."""
    if not holds(user, project_id, role):
        raise PermissionDenied(
            f"This needs the role “{role.label.lower()}” in the project. Ask a manager of the project for it."
        )


def managed_project(user: User, slug: str) -> Project:
    """The project, for its managers. 404 if the person cannot see it, 403 if they do not manage it."""
    project = get_object_or_404(projects(user), slug=slug)
    require(user, project.pk, Role.MANAGER)
    return project


def jobs(user: User) -> JobQuerySet:
    return Job.objects.in_projects(projects(user))


def job_or_404(user: User, public_id: UUID) -> Job:
    rows = jobs(user).select_related(
        "project",
        "submitted_by",
        "model_version",
        "library_version__library__project",
        "reference_version__collection",
        "repeats",
    )
    return get_object_or_404(rows, public_id=public_id)


def visible_annotations(user: User) -> AnnotationQuerySet:
    return Annotation.objects.in_projects(projects(user))


def annotation_or_404(user: User, public_id: UUID) -> Annotation:
    rows = visible_annotations(user).select_related(
        "item__feature",
        "spectrum__upload",
        "top_molecule",
        "job__project",
        "job__submitted_by",
        "job__model_version",
        "job__library_version__library",
        "job__reference_version__collection",
    )
    return get_object_or_404(rows, public_id=public_id)


def uploads(user: User, at_least: Role = Role.VIEWER) -> UploadQuerySet:
    return Upload.objects.in_projects(projects(user, at_least))


def parts(user: User) -> QuerySet[PartialUpload]:
    """Unfinished uploads of the person, for projects to which the person may still submit, or for all."""
    mine = PartialUpload.objects.filter(user=user).select_related("project", "user")
    if user.is_superuser:
        return mine
    return mine.in_projects(projects(user, Role.SUBMITTER))


def libraries(user: User) -> LibraryQuerySet:
    return Library.objects.usable_in(projects(user))


def library_versions(user: User) -> LibraryVersionQuerySet:
    return LibraryVersion.objects.usable_in(projects(user))


def library_state(user: User) -> dict[str, object]:
    """For `_no_library.html`: whether the person can use a library. If not: the versions on their way."""
    versions = library_versions(user)
    if versions.ready().exists():
        return {"has_library": True}
    return {"has_library": False, "libraries_coming": list(versions.importing().select_related("library"))}


def collections(user: User) -> ReferenceCollectionQuerySet:
    return ReferenceCollection.objects.usable_in(projects(user))


def reference_versions(user: User) -> ReferenceVersionQuerySet:
    return ReferenceVersion.objects.usable_in(projects(user))


def imports(user: User) -> VersionImportQuerySet:
    """Imports that the person may look at."""
    return actions.visible(projects(user), is_administrator=user.is_superuser)


def may_import(user: User) -> bool:
    """Whether the person may import for any project. One query at most."""
    return user.is_superuser or actions.owners(user).exists()


def molecules(user: User) -> QuerySet[Molecule]:
    """Molecules of a library or reference version that the person may use."""
    return visible_molecules(projects(user))
