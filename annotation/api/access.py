"""What a caller may see and do: the person's role in the project, narrowed by the token's project and scopes.

Whatever lies outside is 404, as if it were not there; what is visible but not allowed is 403.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from annotation.accounts.models import ApiToken, Project, Role
from annotation.accounts.tokens import ROLE_FOR_SCOPE
from annotation.api.problems import Problem
from annotation.libraries.models import Library
from annotation.references.models import ReferenceCollection

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from rest_framework.views import APIView

Scope = ApiToken.Scope


class HasScope(BasePermission):
    """A token must hold the scope that the view names for the method; a session holds them all."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not request.user.is_authenticated:
            return False
        if isinstance(request.auth, ApiToken):
            needed = scope_of(view, request.method or "GET")
            if needed not in request.auth.scopes:
                raise Problem(403, f"This token lacks the scope {needed.value!r}. Use one that has it.")
        return True


def scope_of(view: APIView, method: str) -> ApiToken.Scope:
    if method in ("GET", "HEAD", "OPTIONS"):
        return Scope.READ
    scope: ApiToken.Scope = getattr(view, "write_scope", Scope.SUBMIT)
    return scope


def caller(request: Request) -> User:
    assert request.user.is_authenticated  # HasScope has refused all others
    return request.user


def projects(request: Request, at_least: Role = Role.VIEWER) -> QuerySet[Project]:
    visible = Project.objects.visible_to(request.user, at_least)
    if isinstance(request.auth, ApiToken):
        visible = visible.filter(pk=request.auth.project_id)
    return visible


def libraries(request: Request) -> QuerySet[Library]:
    return Library.objects.filter(Q(project=None) | Q(project__in=projects(request)))


def collections(request: Request) -> QuerySet[ReferenceCollection]:
    return ReferenceCollection.objects.filter(Q(project=None) | Q(project__in=projects(request)))


def require(request: Request, project: Project, scope: ApiToken.Scope) -> None:
    """403 unless the caller's role in a project that it can see is enough for the scope."""
    role = ROLE_FOR_SCOPE[scope]
    if not projects(request, role).filter(pk=project.pk).exists():
        raise Problem(403, f"This needs the role of a {role} in {project}. Ask its manager.")


def project_to_submit_to(request: Request, slug: str) -> Project:
    """The named project, the token's, or the only one that the caller may submit to."""
    if slug:
        project = projects(request).filter(slug=slug).first()
        if project is None:
            detail = f"No project {slug!r} that you can see. GET /api/v1/projects lists yours."
            raise Problem(422, detail, errors=[{"pointer": "/project", "detail": detail}])
        require(request, project, Scope.SUBMIT)
        return project
    if isinstance(request.auth, ApiToken):
        require(request, request.auth.project, Scope.SUBMIT)
        return request.auth.project
    choices = list(projects(request, Role.SUBMITTER)[:2])
    if not choices:
        raise Problem(
            403, "You may submit to no project. Ask the manager of one for the role of a submitter."
        )
    if len(choices) > 1:
        detail = "You may submit to several projects: name one by its slug."
        raise Problem(422, detail, errors=[{"pointer": "/project", "detail": detail}])
    return choices[0]
