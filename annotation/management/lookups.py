"""The records and files that the arguments of commands name. Every refusal lists the choices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from django.contrib.auth.models import User
from django.core.management.base import CommandError

from annotation.accounts.models import Project, Role
from annotation.accounts.roles import may
from annotation.checkpoints.models import ModelVersion
from annotation.jobs import selection
from annotation.jobs.models import Job
from annotation.libraries.models import LibraryVersion
from annotation.references.models import ReferenceVersion

MAX_LISTED = 20
# How to get a first record of a kind, by the field of `NotSelectable`.
REMEDIES = {
    "library": "Import a library with `manage.py import_library NAME PATH`.",
    "references": "Import a collection with `manage.py import_references`.",
    "model": "Register a model with `manage.py register_checkpoint FOLDER`.",
}


def readable_file(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.exists():
        raise CommandError(f"{path}: there is no such file. Check the path.")
    if not path.is_file():
        raise CommandError(f"{path}: this is not a file. Name one file, or an archive of several files.")
    try:
        path.open("rb").close()
    except OSError as problem:
        raise CommandError(f"{path}: cannot be read: {problem.strerror}. Fix its permissions.") from None
    return path


def writable_path(text: str) -> Path:
    """The path of a file to write, checked before the work that produces its content."""
    path = Path(text).expanduser()
    if not path.parent.is_dir():
        raise CommandError(f"{path.parent}: there is no such folder. Create it, or choose another path.")
    if path.is_dir():
        raise CommandError(f"{path}: this is a folder. Name a file in it.")
    return path


def project(slug: str | None) -> Project:
    """The project with the slug; without a slug the only project."""
    if slug:
        found = Project.objects.filter(slug=slug).first()
        if found is None:
            raise CommandError(f"There is no project {slug!r}. {_choices(_slugs(), 'Projects')}")
        return found
    projects = list(Project.objects.all()[:2])
    if not projects:
        raise CommandError(
            "There is no project yet. Create one in the admin, or run `manage.py create_logins`."
        )
    if len(projects) > 1:
        raise CommandError(f"There are several projects. Choose one with --project. {_choices(_slugs())}")
    return projects[0]


def person(username: str | None, project: Project, at_least: Role = Role.SUBMITTER) -> User:
    """The person with the name, who must have the role in the project; without a name a superuser."""
    if not username:
        superuser = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
        if superuser is None:
            raise CommandError("There is no superuser to act as. Name a person with --user.")
        return superuser
    user = named_person(username)
    if not may(user, project, at_least):
        raise CommandError(
            f"{user} does not have the role {at_least} in {project}. Give the role in the admin, or name "
            "another --user."
        )
    return user


def named_person(username: str) -> User:
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        names = User.objects.filter(is_active=True).values_list("username", flat=True)
        choices = _choices(list(names[:MAX_LISTED]), "People")
        raise CommandError(f"There is no active person {username!r}. {choices}")
    return user


def library_version(project: Project, name: str, number: int | None) -> LibraryVersion:
    with _refusals_as_command_errors():
        return selection.select_library_version(project, name, number)


def reference_version(project: Project, name: str | None, number: int | None) -> ReferenceVersion | None:
    with _refusals_as_command_errors():
        return selection.select_reference_version(project, name or "", number)


def model_version(name: str | None) -> ModelVersion:
    with _refusals_as_command_errors():
        return selection.select_model_version(name or "")


@contextmanager
def _refusals_as_command_errors() -> Iterator[None]:
    try:
        yield
    except selection.NotSelectable as refusal:
        remedy = "" if refusal.choices else REMEDIES.get(refusal.field, "")
        raise CommandError(f"{refusal.reason} {remedy}".strip()) from None


def job(text: str) -> Job:
    """The job with the identifier, or with the caller's own external_id if only one job has it."""
    jobs = Job.objects.select_related(
        "project", "library_version__library", "model_version", "reference_version__collection"
    )
    try:
        found = list(jobs.filter(public_id=UUID(text)))
    except ValueError:
        found = list(jobs.filter(external_id=text)[:2]) if text else []
    if len(found) != 1:
        problem = "Several jobs have the external id" if found else "There is no job"
        raise CommandError(f"{problem} {text!r}. Use the identifier in the address of the job's page.")
    return found[0]


def _slugs() -> list[str]:
    return list(Project.objects.values_list("slug", flat=True)[:MAX_LISTED])


def _choices(names: list[str], label: str = "Choices") -> str:
    return f"{label}: {', '.join(names)}. " if names else ""
