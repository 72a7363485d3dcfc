"""What a person may do in a project, by their role. API tokens narrow it further (`tokens.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotation.accounts.models import Project, Role

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


def may(user: User | AnonymousUser, project: Project, at_least: Role) -> bool:
    """Whether the user has the role, or a stronger one, in the project. True for superusers. One query."""
    return Project.objects.visible_to(user, at_least).filter(pk=project.pk).exists()
