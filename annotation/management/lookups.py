"""What the arguments of commands name: people, projects, libraries, jobs. A refusal says the choices."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from django.contrib.auth.models import User
from django.core.management.base import CommandError

from annotation.accounts.models import Project, Role
from annotation.accounts.roles import may
from annotation.checkpoints.models import ModelVersion
from annotation.jobs.models import Job
from annotation.libraries.models import Library, LibraryVersion
from annotation.references import choice
from annotation.references.models import ReferenceVersion


def readable_file(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.exists():
        raise CommandError(f"{path}: there is no such file. Check the path.")
    if not path.is_file():
        raise CommandError(f"{path}: this is no file. Name one file, or an archive of several.")
    try:
        path.open("rb").close()
    except OSError as problem:
        raise CommandError(f"{path}: cannot be read: {problem.strerror}. Mend its permissions.") from None
    return path


def writable_path(text: str) -> Path:
    """Checked before the work is done, not after it."""
    path = Path(text).expanduser()
    if not path.parent.is_dir():
        raise CommandError(f"{path.parent}: there is no such folder. Make it, or choose another --out.")
    if path.is_dir():
        raise CommandError(f"{path}: this is a folder. Name a file in it.")
    return path


def project(slug: str | None) -> Project:
    """By its slug; unless told, the only one."""
    if slug:
        found = Project.objects.filter(slug=slug).first()
        if found is None:
            raise CommandError(f"There is no project {slug!r}. {_choices(_slugs(), 'Projects')}")
        return found
    projects = list(Project.objects.all()[:2])
    if not projects:
        raise CommandError(
            "There is no project yet. Make one in the admin, or run `manage.py create_logins`."
        )
    if len(projects) > 1:
        raise CommandError(f"There are several projects: choose one with --project. {_choices(_slugs())}")
    return projects[0]


def person(username: str | None, within: Project, at_least: Role = Role.SUBMITTER) -> User:
    """By name, with the role in the project; unless told, a superuser."""
    if not username:
        superuser = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
        if superuser is None:
            raise CommandError("Say on whose behalf with --user: there is no superuser to do it as.")
        return superuser
    user = named_person(username)
    if not may(user, within, at_least):
        raise CommandError(
            f"{user} is no {at_least} in {within}. Give the role in the admin, or name another --user."
        )
    return user


def named_person(username: str) -> User:
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        names = User.objects.filter(is_active=True).values_list("username", flat=True)
        raise CommandError(f"There is no active person {username!r}. {_choices(list(names[:20]), 'People')}")
    return user


def library_version(name: str, number: int | None, within: Project) -> LibraryVersion:
    """The named version, or the newest ready one, of a library that the project may use."""
    usable = Library.objects.filter(project=None) | Library.objects.filter(project=within)
    library = usable.filter(name=name).first()
    if library is None:
        names = list(usable.values_list("name", flat=True)[:20])
        remedy = "Import one with `manage.py import_library NAME PATH`." if not names else ""
        raise CommandError(f"There is no library {name!r} for {within}. {_choices(names)}{remedy}")
    versions = library.versions.order_by("-number")
    if number is not None:
        version = versions.filter(number=number).first()
        if version is None:
            raise CommandError(f"{library} has no version {number}. {_choices(_numbers(library))}")
        return version
    version = versions.filter(state=LibraryVersion.State.READY).first()
    if version is None:
        raise CommandError(
            f"{library} has no ready version. Import it again with `manage.py import_library`."
        )
    return version


def reference_version(name: str | None, number: int | None, within: Project) -> ReferenceVersion | None:
    """The named version, or the newest ready one; None for `none`, or where there is none to choose."""
    if name == "none":
        return None
    if name is None:
        return choice.default_version(within)
    usable = choice.usable(within)
    collection = usable.filter(name=name).first()
    if collection is None:
        names = [*usable.values_list("name", flat=True)[:20], "none"]
        raise CommandError(f"There is no reference collection {name!r} for {within}. {_choices(names)}")
    versions = collection.versions.order_by("-number")
    version = versions.filter(number=number).first() if number else choice.newest_ready(collection)
    if version is None:
        numbers = [str(one) for one in versions.values_list("number", flat=True)]
        wanted = f"no version {number}" if number else "no ready version"
        raise CommandError(f"{collection} has {wanted}. {_choices(numbers)}")
    return version


def model_version(text: str | None) -> ModelVersion:
    """By name or the beginning of its hash; unless told, the default."""
    if not text:
        default = ModelVersion.objects.filter(is_default=True).first()
        if default is None:
            raise CommandError("No model is registered. Run `manage.py register_checkpoint FOLDER` first.")
        return default
    by_name = ModelVersion.objects.filter(name=text)
    by_hash = ModelVersion.objects.filter(checkpoint_sha256__startswith=text.lower())
    matches = list((by_name | by_hash)[:2])
    if len(matches) != 1:
        what = "Several models match" if matches else "There is no model"
        shown = [f"{one.name} {one.checkpoint_sha256[:12]}" for one in ModelVersion.objects.all()[:20]]
        raise CommandError(f"{what} {text!r}. {_choices(shown, 'Models')}")
    return matches[0]


def job(text: str) -> Job:
    """By its identifier, or by the caller's own external_id where that names one job."""
    jobs = Job.objects.select_related(
        "project", "library_version__library", "model_version", "reference_version__collection"
    )
    try:
        found = list(jobs.filter(public_id=UUID(text)))
    except ValueError:
        found = list(jobs.filter(external_id=text)[:2]) if text else []
    if len(found) != 1:
        what = "Several jobs have the external id" if found else "There is no job"
        raise CommandError(f"{what} {text!r}. Take the identifier from the job's page or its address.")
    return found[0]


def _slugs() -> list[str]:
    return list(Project.objects.values_list("slug", flat=True)[:20])


def _numbers(library: Library) -> list[str]:
    return [str(number) for number in library.versions.values_list("number", flat=True)]


def _choices(names: list[str], what: str = "Choices") -> str:
    return f"{what}: {', '.join(names)}. " if names else ""
