"""The selector: what a project may use, which version or model a name means, and what a refusal says."""

from __future__ import annotations

from collections.abc import Callable
from itertools import compress, product

import pytest

from annotation.jobs import selection
from annotation.jobs.selection import (
    MAX_LISTED,
    NotSelectable,
    select_library_version,
    select_model_version,
    select_reference_version,
)
from annotation.models import (
    Job,
    Library,
    Project,
    ReferenceCollection,
    ReferenceVersion,
    Upload,
)
from tests.annotation.builders import (
    make_importing_version,
    make_job,
    make_library_version,
    make_model_version,
    make_project,
    make_reference_version,
    make_upload,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project(name="Ours")


def make_library(name: str, project: Project | None = None) -> Library:
    return Library.objects.create(name=name, project=project)


def make_collection(name: str, project: Project | None = None, **fields: object) -> ReferenceCollection:
    return ReferenceCollection.objects.create(name=name, project=project, **fields)


def refusal(call: Callable[[], object]) -> NotSelectable:
    with pytest.raises(NotSelectable) as caught:
        call()
    return caught.value


def test_records_of_other_projects_are_not_usable(project: Project) -> None:
    other = make_project()
    make_library("shared")
    make_library("own", project)
    make_library("hidden", other)
    names = Library.objects.usable_in(project).order_by("name").values_list("name", flat=True)
    assert list(names) == ["own", "shared"]
    both = Project.objects.filter(pk__in=[project.pk, other.pk])
    assert Library.objects.usable_in(both).count() == 3
    assert Library.objects.usable_in(Project.objects.none()).get().name == "shared"


def test_records_of_a_project_follow_its_members() -> None:
    user = make_user()
    own, foreign = make_job(project=make_project(user)), make_job()
    upload = make_upload()
    visible = Project.objects.visible_to(user)
    assert list(Job.objects.in_projects(visible)) == [own]
    assert list(Job.objects.in_projects(foreign.project)) == [foreign]
    assert not Upload.objects.in_projects(visible).filter(pk=upload.pk).exists()


def test_library_version_is_the_newest_ready_version_by_default(project: Project) -> None:
    library = make_library("Drugs")
    first, second = make_library_version(library=library), make_library_version(library=library)
    make_importing_version(library)
    assert select_library_version(project, "Drugs") == second
    assert select_library_version(project, "Drugs", 1) == first


def test_unknown_and_foreign_libraries_are_refused_alike(project: Project) -> None:
    make_library("Drugs")
    make_library("Secret", make_project(name="Theirs"))
    unknown = refusal(lambda: select_library_version(project, "Nothing"))
    foreign = refusal(lambda: select_library_version(project, "Secret"))
    assert unknown.reason == "There is no library 'Nothing' for project Ours. Choices: Drugs."
    assert foreign.reason == "There is no library 'Secret' for project Ours. Choices: Drugs."
    assert (unknown.field, unknown.choices) == ("library", ("Drugs",))


def test_unknown_version_lists_the_ready_versions(project: Project) -> None:
    library = make_library("Drugs")
    make_library_version(library=library)
    make_importing_version(library)
    unknown = refusal(lambda: select_library_version(project, "Drugs", 9))
    assert (unknown.field, unknown.reason) == ("library_version", "Drugs has no version 9. Choices: 1.")


def test_version_that_is_not_ready_is_refused_alike_by_number_and_by_record(project: Project) -> None:
    version = make_importing_version(make_library("Drugs"))
    by_number = refusal(lambda: select_library_version(project, "Drugs", 1))
    by_record = refusal(lambda: selection.check_library_version(project, version))
    assert by_number.args == by_record.args
    assert by_number.reason.startswith("Drugs v1 is not ready: its state is importing.")
    assert by_number.field == "library_version"
    newest = refusal(lambda: select_library_version(project, "Drugs"))
    assert (newest.field, newest.choices) == ("library", ())
    assert "no ready version" in newest.reason


def test_default_references_are_the_newest_ready_version_of_an_imported_collection(project: Project) -> None:
    assert select_reference_version(project) is None
    public = make_collection("public")
    make_reference_version(public)
    newest = make_reference_version(public)
    make_reference_version(make_collection("theirs", make_project()))
    make_reference_version(public, state=ReferenceVersion.State.FAILED)
    # A few accepted spectra do not displace an imported collection.
    make_reference_version(make_collection("accepted", project, is_accepted=True))
    assert select_reference_version(project) == newest
    assert select_reference_version(project, "public", 1) == public.versions.get(number=1)
    assert select_reference_version(project, "none") is None


@pytest.mark.parametrize("name", ["", "none"])
def test_reference_version_without_a_collection_is_refused(project: Project, name: str) -> None:
    assert refusal(lambda: select_reference_version(project, name, 1)).field == "references_version"


def test_unknown_collection_lists_the_choices(project: Project) -> None:
    make_collection("public")
    unknown = refusal(lambda: select_reference_version(project, "nowhere"))
    assert (unknown.field, unknown.choices) == ("references", ("public", "none"))


def test_version_of_another_project_is_refused_as_a_record(project: Project) -> None:
    foreign = make_reference_version(make_collection("theirs", make_project()))
    assert refusal(lambda: selection.check_reference_version(project, foreign)).field == "references"


def test_model_by_name_hash_or_default() -> None:
    assert "no default model" in refusal(select_model_version).reason
    first = make_model_version(name="first", is_default=True)
    second = make_model_version(name="second")
    assert select_model_version() == first
    assert select_model_version("second") == second
    assert select_model_version(second.checkpoint_sha256[:12].upper()) == second


def test_unknown_or_ambiguous_model_is_refused() -> None:
    models = [make_model_version(name="same") for _ in range(2)]
    ambiguous = refusal(lambda: select_model_version("same"))
    assert "Several models match 'same'" in ambiguous.reason
    assert set(ambiguous.choices) == {f"same {model.checkpoint_sha256[:12]}" for model in models}
    assert refusal(lambda: select_model_version("nobody")).field == "model"


def test_long_lists_of_choices_are_cut(project: Project) -> None:
    for number in range(MAX_LISTED + 3):
        make_library(f"L{number:02}")
    reason = refusal(lambda: select_library_version(project, "x")).reason
    assert reason.endswith("L19 and 3 more.")


@pytest.mark.parametrize("state", Job.State)
def test_jobs_by_state_agree_with_their_state(state: Job.State) -> None:
    times = ("started_at", "cancel_requested_at", "finished_at")
    for is_set in product([False, True], repeat=len(times)):
        job = make_job(1)
        Job.objects.filter(pk=job.pk).update(**dict.fromkeys(compress(times, is_set), job.created_at))
    expected = {job.pk for job in Job.objects.all() if job.state == state}
    assert expected
    assert {job.pk for job in Job.objects.in_state(state)} == expected
