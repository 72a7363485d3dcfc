"""Which records belong to a project, and which ones it may use. No other module repeats these rules.

A person's projects come from `Project.objects.visible_to`; an API token narrows them to its own project.
"""

from __future__ import annotations

from typing import Any, Self, TypeVar

from django.db.models import Model, Q, QuerySet

from annotation.accounts.models import Project

Projects = Project | QuerySet[Project]

M = TypeVar("M", bound=Model)


class OwnedQuerySet(QuerySet[M]):
    """Records that belong to one project."""

    project_lookup = "project"

    def in_projects(self, projects: Projects) -> Self:
        """Records of the project, or of any of the projects."""
        return self.filter(**_in(self.project_lookup, projects))


class SharedQuerySet(QuerySet[M]):
    """Records that belong to one project or, without a project, are shared with all."""

    project_lookup = "project"

    def usable_in(self, projects: Projects) -> Self:
        """Shared records, and those of the project or of any of the projects."""
        shared = Q(**{self.project_lookup: None})
        return self.filter(shared | Q(**_in(self.project_lookup, projects)))


def _in(lookup: str, projects: Projects) -> dict[str, Any]:
    return {lookup: projects} if isinstance(projects, Project) else {f"{lookup}__in": projects}
