"""What the pages of libraries and of collections share: differences of versions, and where one is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Count
from django.http import QueryDict

from annotation.jobs.models import Job, JobPreset
from annotation.libraries import differences as library_differences
from annotation.libraries.differences import ChangedPage, DifferenceCounts
from annotation.libraries.models import LibraryVersion
from annotation.references import differences as reference_differences
from annotation.references.models import ReferenceVersion
from annotation.web import scope

N_JOBS = 10
Version = LibraryVersion | ReferenceVersion


@dataclass(frozen=True, slots=True)
class Differences:
    old: Version
    new: Version
    counts: DifferenceCounts
    show: str  # "added", "removed" or "renamed"
    page: ChangedPage

    @property
    def counts_by_name(self) -> list[tuple[str, int]]:
        counts = [("added", self.counts.n_added), ("removed", self.counts.n_removed)]
        return (
            [*counts, ("renamed", self.counts.n_renamed)] if isinstance(self.new, LibraryVersion) else counts
        )


@dataclass(frozen=True, slots=True)
class Use:
    """The jobs and presets with a version, of the projects that the person sees."""

    n_jobs: dict[int, int]  # by the version's id
    jobs: list[Job]  # the latest
    presets: list[JobPreset]


def load_differences(versions: Sequence[Version], query: QueryDict) -> Differences | None:
    """Between the versions with the numbers `from` and `to`; by default the newest two. None without two.

    `versions`: the ready ones, newest first. At most three queries.
    """
    if len(versions) < 2:
        return None
    by_number = {str(version.number): version for version in versions}
    new = by_number.get(query.get("to", ""), versions[0])
    old = by_number.get(query.get("from", ""), versions[1])
    after_text = query.get("after", "")
    after = int(after_text) if after_text.isdecimal() and len(after_text) < 19 else 0
    show = query.get("show", "added")
    if isinstance(old, LibraryVersion) and isinstance(new, LibraryVersion):
        counts = library_differences.count_differences(old, new)
        lists = {
            "removed": lambda: library_differences.list_only_in(old, new, after),
            "renamed": lambda: library_differences.list_renamed(old, new, after),
            "added": lambda: library_differences.list_only_in(new, old, after),
        }
    else:
        assert isinstance(old, ReferenceVersion)
        assert isinstance(new, ReferenceVersion)
        first, second = old, new
        counts = reference_differences.count_differences(first, second)
        lists = {
            "removed": lambda: reference_differences.list_only_in(first, second, after),
            "added": lambda: reference_differences.list_only_in(second, first, after),
        }
    show = show if show in lists else "added"
    return Differences(old, new, counts, show, lists[show]())


def load_use(user: User, versions: Sequence[Version]) -> Use:
    """Three queries."""
    field = "library_version" if versions and isinstance(versions[0], LibraryVersion) else "reference_version"
    ids = [version.pk for version in versions]
    projects = scope.projects(user)
    jobs = Job.objects.in_projects(projects).filter(**{f"{field}__in": ids})
    counts = jobs.order_by().values_list(field).annotate(n=Count("pk"))
    texts = [str(pk) for pk in ids]
    presets = JobPreset.objects.in_projects(projects).filter(**{f"values__{field}__in": texts})
    latest = jobs.select_related("project", "submitted_by", field).order_by("-created_at", "-pk")[:N_JOBS]
    return Use(
        dict(counts), list(latest), list(presets.select_related("project").order_by("project", "name"))
    )
