"""Which reference collections a project may use, and which version a job gets unless told otherwise."""

from __future__ import annotations

from django.db.models import F, Q, QuerySet

from annotation.accounts.models import Project
from annotation.references.models import ReferenceCollection, ReferenceVersion


def usable(project: Project) -> QuerySet[ReferenceCollection]:
    return ReferenceCollection.objects.filter(Q(project=None) | Q(project=project))


def default_version(project: Project) -> ReferenceVersion | None:
    """The newest ready version; a few accepted spectra never push aside a collection that was imported."""
    ready = ReferenceVersion.objects.filter(
        collection__in=usable(project), state=ReferenceVersion.State.READY
    )
    newest = ready.select_related("collection").order_by(
        F("collection__is_accepted").asc(), "-created_at", "-pk"
    )
    return newest.first()


def newest_ready(collection: ReferenceCollection) -> ReferenceVersion | None:
    return collection.versions.filter(state=ReferenceVersion.State.READY).order_by("-number").first()
