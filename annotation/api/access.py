"""What a caller may see and do: the role of the person, narrowed by the project and scopes of a token.

Records that the caller may not see are 404. Actions that it may not do on visible records are 403.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.db.models import QuerySet
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from annotation.accounts.models import ApiToken, Project, Role
from annotation.accounts.tokens import ROLE_FOR_SCOPE
from annotation.api.problems import Problem, invalid_field
from annotation.libraries.models import Library, LibraryQuerySet
from annotation.plain_text import clean
from annotation.references.models import ReferenceCollection, ReferenceCollectionQuerySet

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from rest_framework.views import APIView

Scope = ApiToken.Scope
ANY_SCOPE = frozenset(Scope)


class HasScope(BasePermission):
    """A token needs the scope that the view requires for the method. A session has every scope."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not request.user.is_authenticated:
            return False
        require_scope(request, *sorted(scopes_of(view, request.method or "GET")))
        return True


def scopes_of(view: APIView, method: str) -> frozenset[ApiToken.Scope]:
    """The scopes of which a token needs one. Each view states what it needs (`annotation.api.views.base`)."""
    if method in ("GET", "HEAD", "OPTIONS"):
        scopes: frozenset[ApiToken.Scope] = getattr(view, "read_scopes", frozenset({Scope.READ}))
        return scopes
    write_scopes: frozenset[ApiToken.Scope] | None = getattr(view, "write_scopes", None)
    return write_scopes or frozenset({getattr(view, "write_scope", Scope.SUBMIT)})


def require_scope(request: Request, *scopes: ApiToken.Scope) -> None:
    """Raises a 403 `Problem` for a token that has none of the scopes. A session has every scope."""
    if not isinstance(request.auth, ApiToken) or not {str(scope) for scope in scopes}.isdisjoint(
        request.auth.scopes
    ):
        return
    if len(scopes) == 1:
        raise Problem(403, f"This token lacks the scope {scopes[0].value!r}. Use a token with this scope.")
    names = ", ".join(scope.value for scope in scopes)
    raise Problem(403, f"This token has none of the scopes {names}. Use a token with one of them.")


def sees_only_own(request: Request) -> bool:
    """Whether the caller sees of jobs and uploads only its own: a token that may submit and not read."""
    return isinstance(request.auth, ApiToken) and {Scope.READ, Scope.REVIEW}.isdisjoint(request.auth.scopes)


def caller(request: Request) -> User:
    assert request.user.is_authenticated  # HasScope refuses anonymous callers
    return request.user


def projects(request: Request, at_least: Role = Role.VIEWER) -> QuerySet[Project]:
    visible = Project.objects.visible_to(request.user, at_least)
    if isinstance(request.auth, ApiToken):
        visible = visible.filter(pk=request.auth.project_id)
    return visible


def libraries(request: Request) -> LibraryQuerySet:
    return Library.objects.usable_in(projects(request))


def collections(request: Request) -> ReferenceCollectionQuerySet:
    return ReferenceCollection.objects.usable_in(projects(request))


def require(request: Request, project: Project, scope: ApiToken.Scope) -> None:
    """Raises a 403 `Problem` unless the role of the caller in the project includes the scope."""
    role = ROLE_FOR_SCOPE[scope]
    if not projects(request, role).filter(pk=project.pk).exists():
        raise Problem(403, f"This needs the role {role} in project {project}. Ask a manager of the project.")


def managed_project(request: Request, scope: ApiToken.Scope) -> Project:
    """The project that the body names; else the token's project, or the only one that the caller manages.

    The caller's role comes before the other fields of the body: others learn nothing about them.
    """
    data = request.data
    slug = str(data.get("project") or "") if isinstance(data, Mapping) else ""
    if isinstance(request.auth, ApiToken):
        require(request, request.auth.project, scope)
    managed = projects(request, Role.MANAGER)
    # No serializer has looked at the text yet, and PostgreSQL refuses NUL and lone surrogates.
    named = managed.filter(slug=slug) if slug == clean(slug) else managed.none()
    choices = list((named if slug else managed)[:2])
    if len(choices) == 1:
        return choices[0]
    if not slug and not choices:
        raise Problem(403, "You manage no project. Ask an administrator for the role manager.")
    detail = (
        f"There is no project {slug[:80]!r} that you manage."
        if slug
        else "You manage several projects. Name one of them by its slug in `project`."
    )
    raise Problem(422, detail, errors=[{"pointer": "/project", "detail": detail}])


def project_to_submit_to(request: Request, slug: str) -> Project:
    """The project with the slug; else the token's project, or the only one that the caller may submit to."""
    if slug:
        project = projects(request).filter(slug=slug).first()
        if project is None:
            detail = (
                f"There is no project {slug!r} that you can see. GET /api/v1/projects lists your projects."
            )
            raise invalid_field("project", detail)
        require(request, project, Scope.SUBMIT)
        return project
    if isinstance(request.auth, ApiToken):
        require(request, request.auth.project, Scope.SUBMIT)
        return request.auth.project
    choices = list(projects(request, Role.SUBMITTER)[:2])
    if not choices:
        raise Problem(
            403, "You may not submit to any project. Ask a manager of a project for the role submitter."
        )
    if len(choices) > 1:
        detail = "You may submit to several projects. Name one of them by its slug in `project`."
        raise invalid_field("project", detail)
    return choices[0]
