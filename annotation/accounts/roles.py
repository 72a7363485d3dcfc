"""Who may do what: a person's role in a project, never more. Tokens narrow it further (`tokens.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotation.accounts.models import Project, Role

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


def may(user: User | AnonymousUser, project: Project, at_least: Role) -> bool:
    """Does the user hold this role, or a stronger one, in the project? Superusers do. One query."""
    return Project.objects.visible_to(user, at_least).filter(pk=project.pk).exists()
