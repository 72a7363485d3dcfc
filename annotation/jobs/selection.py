"""Which library, reference spectra and model a job uses, from the names that a caller gives.

No other module decides this. The REST interface, the pages and the commands translate `NotSelectable` into
their own errors. The listed choices name only records that the project may use.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from annotation.accounts.models import Project
from annotation.checkpoints.models import ModelVersion
from annotation.libraries.models import Library, LibraryVersion
from annotation.libraries.versions import VersionQuerySet, VersionState
from annotation.references.models import ReferenceCollection, ReferenceVersion

# What a caller writes for a job without reference spectra. No collection has this name.
NO_REFERENCES = "none"
MAX_LISTED = 20

V = TypeVar("V", LibraryVersion, ReferenceVersion)


class NotSelectable(Exception):
    """The caller's choice cannot be used.

    `field` names the part of the request: library, library_version, references, references_version or model.
    `reason` says what is wrong and lists the `choices`, of which there may be none.
    """

    def __init__(self, field: str, problem: str, choices: Iterable[str] = ()) -> None:
        self.field = field
        self.choices = tuple(choices)
        self.reason = f"{problem} Choices: {_listed(self.choices)}." if self.choices else problem
        super().__init__(field, self.reason)

    def __str__(self) -> str:
        return self.reason


def select_library_version(project: Project, name: str, number: int | None = None) -> LibraryVersion:
    """The version of the library with the number, or its newest ready version. Raises NotSelectable."""
    libraries = Library.objects.usable_in(project)
    library = libraries.filter(name=name).first()
    if library is None:
        names = libraries.order_by("name").values_list("name", flat=True)
        raise NotSelectable("library", f"There is no library {name!r} for project {project}.", names)
    return _version_of(library, library.versions.select_related("library"), "library", number)


def select_reference_version(
    project: Project, name: str = "", number: int | None = None
) -> ReferenceVersion | None:
    """The version of the collection with the number, or its newest ready version.

    Without a name the default version, if there is any. None for `NO_REFERENCES`. Raises NotSelectable.
    """
    if number is not None and name in ("", NO_REFERENCES):
        raise NotSelectable(
            "references_version", f"Which collection is version {number} of? Name the collection too."
        )
    if name == NO_REFERENCES:
        return None
    if not name:
        return ReferenceVersion.objects.usable_in(project).default()
    collections = ReferenceCollection.objects.usable_in(project)
    collection = collections.filter(name=name).first()
    if collection is None:
        names = [*collections.order_by("name").values_list("name", flat=True), NO_REFERENCES]
        problem = f"There is no collection of reference spectra {name!r} for project {project}."
        raise NotSelectable("references", problem, names)
    return _version_of(collection, collection.versions.select_related("collection"), "references", number)


def select_model_version(name: str = "") -> ModelVersion:
    """The model with this name, or whose checkpoint has a SHA-256 that starts with it.

    Without a name the default model. Raises NotSelectable.
    """
    if not name:
        default = ModelVersion.objects.default()
        if default is None:
            raise NotSelectable("model", "There is no default model.", _models())
        return default
    matches = list(ModelVersion.objects.matching(name)[:2])
    if not matches:
        raise NotSelectable("model", f"There is no model {name!r}.", _models())
    if len(matches) > 1:
        problem = f"Several models match {name!r}. Give the start of the checkpoint's SHA-256."
        raise NotSelectable("model", problem, _models())
    return matches[0]


def check_library_version(project: Project, version: LibraryVersion) -> None:
    """Raises NotSelectable unless the project may use the version and it is ready. One query."""
    if not LibraryVersion.objects.usable_in(project).filter(pk=version.pk).exists():
        raise NotSelectable("library", f"Library {version.library} belongs to another project.")
    _check_ready(version, "library")


def check_reference_version(project: Project, version: ReferenceVersion) -> None:
    """Raises NotSelectable unless the project may use the version and it is ready. One query."""
    if not ReferenceVersion.objects.usable_in(project).filter(pk=version.pk).exists():
        raise NotSelectable("references", f"Collection {version.collection} belongs to another project.")
    _check_ready(version, "references")


def _version_of(
    owner: Library | ReferenceCollection, versions: VersionQuerySet[V], field: str, number: int | None
) -> V:
    ready = versions.ready().order_by("-number")
    if number is None:
        newest = ready.first()
        if newest is None:
            raise NotSelectable(field, f"{owner} has no ready version. Wait for its import to end.")
        return newest
    version = versions.filter(number=number).first()
    if version is None:
        numbers = map(str, ready.values_list("number", flat=True))
        raise NotSelectable(f"{field}_version", f"{owner} has no version {number}.", numbers)
    _check_ready(version, field)
    return version


def _check_ready(version: LibraryVersion | ReferenceVersion, field: str) -> None:
    if version.state != VersionState.READY:
        raise NotSelectable(
            f"{field}_version",
            f"{version} is not ready: its state is {version.get_state_display().lower()}. "
            "Wait for its import to end, or choose another version.",
        )


def _models() -> list[str]:
    return [f"{model.name} {model.checkpoint_sha256[:12]}" for model in ModelVersion.objects.all()]


def _listed(choices: Sequence[str]) -> str:
    shown = ", ".join(choices[:MAX_LISTED])
    return f"{shown} and {len(choices) - MAX_LISTED} more" if len(choices) > MAX_LISTED else shown
