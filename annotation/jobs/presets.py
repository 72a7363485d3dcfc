"""The presets of a project: settings of the submit form under a name."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.models import User
from django.utils import timezone

from annotation.accounts.models import Project
from annotation.jobs.models import JobPreset
from annotation.plain_text import clean


def save(project: Project, user: User, name: str, values: Mapping[str, str]) -> JobPreset:
    """Store the settings under the name. They replace those of a preset with the same name."""
    preset, _ = JobPreset.objects.update_or_create(
        project=project,
        name=clean(name, 80) or "Untitled",
        defaults={"values": dict(values), "saved_by": user, "saved_at": timezone.now()},
    )
    return preset


def find(project_id: int, key: str) -> JobPreset | None:
    """The preset of the project with this id, written as text."""
    if not key.isdecimal() or len(key) > 18:
        return None
    return JobPreset.objects.filter(project_id=project_id, pk=int(key)).first()
