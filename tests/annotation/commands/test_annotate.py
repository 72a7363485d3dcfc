"""`manage.py annotate` up to the submission, and what it refuses. tests/flows tests the whole path."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.management import waiting
from annotation.models import Job, JobItem, Library, Project, Upload
from tests.annotation.api.world import World
from tests.annotation.builders import make_annotation, make_importing_version, make_project, make_user


def annotate(world: World, path: Path | str, *arguments: str, **options: Any) -> str:
    out = StringIO()
    library = options.pop("library", world.version.library.name)
    call_command(
        "annotate",
        str(path),
        "--library",
        library,
        *arguments,
        stdout=out,
        stderr=options.pop("stderr", StringIO()),
    )
    return out.getvalue()


def test_submits_and_returns(world: World, spectra: Path) -> None:
    err = StringIO()
    output = annotate(
        world, spectra, "--no-wait", "--adduct-positive", "M+H", "--name", "Batch 1", stderr=err
    )
    job = Job.objects.get()
    assert (job.name, job.items.count(), job.submitted_by.username) == ("Batch 1", 2, "root")
    assert job.params["assumed_adducts"] == {"positive": "[M+H]+"}
    assert str(job.public_id) in output
    assert "4 found, 4 MS2, 2 usable" in output
    assert err.getvalue().count("precursor") >= 2


def test_the_method_is_chosen(world: World, spectra: Path) -> None:
    annotate(world, spectra, "--no-wait")
    annotate(world, spectra, "--no-wait", "--method", "glmr")
    assert [job.params["method"] for job in Job.objects.order_by("pk")] == ["fused", "glmr"]
    with pytest.raises(CommandError, match=r"fused.*glmr"):
        annotate(world, spectra, "--no-wait", "--method", "mystery")


def test_waits_and_writes(
    world: World, spectra: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(_: float) -> None:
        """Do the whole work of a worker between two polls."""
        job = Job.objects.get()
        for item in job.items.filter(state=JobItem.State.PENDING):
            make_annotation(item)
        Job.objects.update(finished_at=job.created_at)

    monkeypatch.setattr("time.sleep", work)
    err = StringIO()
    output = annotate(
        world, spectra, "--out", str(tmp_path / "r.json"), "--csv", str(tmp_path / "r.csv"), stderr=err
    )
    assert (
        "2 annotated, 0 without a match in the library, 0 cannot be annotated, 0 failed, 0 cancelled of 2"
        in output
    )
    assert "No worker is alive" in err.getvalue()
    assert (tmp_path / "r.json").exists()
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 1 + 2 * 5


def test_ctrl_c_keeps_the_job(world: World, spectra: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)
    with pytest.raises(CommandError, match="is stored and continues"):
        annotate(world, spectra)
    assert Job.objects.get().finished_at is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--library-version", "9"], "has no version 9. Choices: 1"),
        (["--model", "nobody"], "no model 'nobody'. Choices: glmr-test"),
        (["--project", "nowhere"], "no project 'nowhere'. Projects: project-"),
        (["--user", "nobody"], "no active person 'nobody'"),
        (["--adduct-positive", "[M-H]-"], "not a positive adduct"),
        (["--tolerance-ppm", "0"], "above 0"),
        (["--out", "/nowhere/r.json"], "no such folder"),
        (["--out", "/tmp"], "this is a folder"),
        (["--no-wait", "--with-worker"], "--no-wait"),
    ],
)
def test_refuses_before_storing_anything(
    world: World, spectra: Path, arguments: list[str], message: str
) -> None:
    with pytest.raises(CommandError) as refusal:
        annotate(world, spectra, *arguments)
    assert message in str(refusal.value)
    assert not Upload.objects.exists()


def test_refuses_an_unknown_library_and_lists_the_choices(world: World, spectra: Path) -> None:
    with pytest.raises(CommandError, match=f"Choices: {world.version.library.name}"):
        annotate(world, spectra, library="nowhere")


def test_refuses_someone_without_the_role(world: World, spectra: Path) -> None:
    make_user("guest")
    with pytest.raises(CommandError, match="does not have the role submitter"):
        annotate(world, spectra, "--user", "guest")


def test_refuses_without_a_project_if_there_are_several(world: World, spectra: Path) -> None:
    make_project()
    with pytest.raises(CommandError, match="Choose one with --project"):
        annotate(world, spectra)


def test_gives_the_remedy_on_an_empty_server(db: None, spectra: Path) -> None:
    Project.objects.all().delete()
    with pytest.raises(CommandError, match="create_logins"):
        call_command("annotate", str(spectra), "--library", "x")


def test_library_of_another_project_is_unknown(world: World, spectra: Path) -> None:
    Library.objects.update(project=make_project())
    with pytest.raises(CommandError, match="There is no library"):
        annotate(world, spectra, "--project", world.project.slug)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--library-version", "1"], "v1 is not ready: its state is importing"),
        ([], "has no ready version.* `manage.py import_library"),
    ],
)
def test_version_that_is_not_ready_is_refused_before_storing(
    world: World, spectra: Path, arguments: list[str], message: str
) -> None:
    make_importing_version(Library.objects.create(name="new"))
    with pytest.raises(CommandError, match=message):
        annotate(world, spectra, *arguments, library="new")
    assert not Upload.objects.exists()


@pytest.mark.parametrize("content", [b"", b"no spectra", b"BEGIN IONS\n1 2\nEND IONS\n"])
def test_file_without_a_usable_spectrum(world: World, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.mgf"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=r"odd\.mgf"):
        annotate(world, path)


def test_file_that_does_not_exist(world: World) -> None:
    with pytest.raises(CommandError, match="no such file"):
        annotate(world, "/nowhere/a.mgf")


def test_worker_needs_a_broker(world: World, spectra: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "broker_answers", lambda: False)
    with pytest.raises(CommandError, match="GLMR_BROKER_URL"):
        annotate(world, spectra, "--with-worker")
