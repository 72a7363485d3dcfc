"""`manage.py annotate` up to the submission, and what it refuses. The whole way is walked in tests/flows."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.management import waiting
from annotation.models import Job, JobItem, Library, Project, Upload
from tests.annotation.api.world import World
from tests.annotation.builders import make_annotation, make_project, make_user


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


def test_submits_and_leaves(world: World, spectra: Path) -> None:
    err = StringIO()
    said = annotate(world, spectra, "--no-wait", "--adduct-positive", "M+H", "--name", "Batch 1", stderr=err)
    job = Job.objects.get()
    assert (job.name, job.items.count(), job.submitted_by.username) == ("Batch 1", 2, "root")
    assert job.params["assumed_adducts"] == {"positive": "[M+H]+"}
    assert str(job.public_id) in said
    assert "4 found, 4 MS2, 2 usable" in said
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
        """A worker's whole work, in the time of one look."""
        job = Job.objects.get()
        for item in job.items.filter(state=JobItem.State.PENDING):
            make_annotation(item)
        Job.objects.update(finished_at=job.created_at)

    monkeypatch.setattr("time.sleep", work)
    err = StringIO()
    said = annotate(
        world, spectra, "--out", str(tmp_path / "r.json"), "--csv", str(tmp_path / "r.csv"), stderr=err
    )
    assert "2 annotated, 0 failed, 0 cancelled of 2" in said
    assert "No worker is alive" in err.getvalue()
    assert (tmp_path / "r.json").exists()
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 1 + 2 * 5


def test_ctrl_c_leaves_the_job(world: World, spectra: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)
    with pytest.raises(CommandError, match="is stored and goes on"):
        annotate(world, spectra)
    assert Job.objects.get().finished_at is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--library-version", "9"], "has no version 9. Choices: 1"),
        (["--model", "nobody"], "no model 'nobody'. Models: glmr-test"),
        (["--project", "nowhere"], "no project 'nowhere'. Projects: project-"),
        (["--user", "nobody"], "no active person 'nobody'"),
        (["--adduct-positive", "[M-H]-"], "no positive adduct"),
        (["--tolerance-ppm", "0"], "above 0"),
        (["--out", "/nowhere/r.json"], "no such folder"),
        (["--out", "/tmp"], "this is a folder"),
        (["--no-wait", "--with-worker"], "--no-wait"),
    ],
)
def test_refuses_before_storing_anything(
    world: World, spectra: Path, arguments: list[str], words: str
) -> None:
    with pytest.raises(CommandError) as refusal:
        annotate(world, spectra, *arguments)
    assert words in str(refusal.value)
    assert not Upload.objects.exists()


def test_refuses_a_library_that_is_not_there(world: World, spectra: Path) -> None:
    with pytest.raises(CommandError, match=f"Choices: {world.version.library.name}"):
        annotate(world, spectra, library="nowhere")


def test_refuses_someone_without_the_role(world: World, spectra: Path) -> None:
    make_user("guest")
    with pytest.raises(CommandError, match="is no submitter"):
        annotate(world, spectra, "--user", "guest")


def test_asks_which_of_several_projects(world: World, spectra: Path) -> None:
    make_project()
    with pytest.raises(CommandError, match="choose one with --project"):
        annotate(world, spectra)


def test_says_what_to_do_on_an_empty_server(db: None, spectra: Path) -> None:
    Project.objects.all().delete()
    with pytest.raises(CommandError, match="create_logins"):
        call_command("annotate", str(spectra), "--library", "x")


def test_library_of_another_project_is_not_there(world: World, spectra: Path) -> None:
    Library.objects.update(project=make_project())
    with pytest.raises(CommandError, match="There is no library"):
        annotate(world, spectra, "--project", world.project.slug)


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"BEGIN IONS\n1 2\nEND IONS\n"])
def test_file_without_a_usable_spectrum(world: World, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.mgf"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=r"odd\.mgf"):
        annotate(world, path)


def test_file_that_is_not_there(world: World) -> None:
    with pytest.raises(CommandError, match="no such file"):
        annotate(world, "/nowhere/a.mgf")


def test_worker_needs_a_broker(world: World, spectra: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "broker_answers", lambda: False)
    with pytest.raises(CommandError, match="GLMR_BROKER_URL"):
        annotate(world, spectra, "--with-worker")
