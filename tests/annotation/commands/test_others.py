"""The smaller commands: import, export, tokens, checkpoint, demonstration."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.accounts.tokens import authenticate
from annotation.management.commands import load_demonstration
from annotation.models import Feature, Job, Library, LibraryVersion, Membership, Role, Spectrum, Upload
from tests.annotation.api.world import World
from tests.annotation.builders import SMILES, make_annotation, make_job, make_user
from tests.models_ml.spectra.builders import mgf_block


def run(*arguments: Any) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command(*[str(argument) for argument in arguments], stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_import_spectra(world: World, spectra: Path) -> None:
    out, err = run("import_spectra", spectra)
    assert "4 found, 4 MS2, 2 usable, 0 repaired, 2 rejected, 0 skipped" in out
    assert "line" in err
    assert Spectrum.objects.filter(project=world.project).count() == 2


def test_import_spectra_dry_run(world: World, spectra: Path) -> None:
    out, _ = run("import_spectra", spectra, "--dry-run")
    assert "2 usable" in out
    assert not Upload.objects.exists()


def test_import_spectra_with_a_quantification_table(world: World, tmp_path: Path) -> None:
    labelled, table = tmp_path / "run.mgf", tmp_path / "run_quant.csv"
    labelled.write_text(mgf_block(PEPMASS="181.0495", FEATURE_ID="7"))
    table.write_text("row ID,row m/z,A.mzML Peak area,\n7,181.0495,1200.5,\n")
    assert "1 usable" in run("import_spectra", labelled, "--quantities", table, "--dry-run")[0]
    run("import_spectra", labelled, "--quantities", table)
    assert Feature.objects.get().quantities == {"row m/z": "181.0495", "A.mzML Peak area": "1200.5"}


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_import_of_a_file_without_spectra(world: World, tmp_path: Path, dry: list[str]) -> None:
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(CommandError, match=r"a\.txt"):
        run("import_spectra", tmp_path / "a.txt", *dry)


@pytest.mark.django_db(transaction=True)
def test_import_library(tmp_path: Path) -> None:
    path = tmp_path / "set.smi"
    path.write_text("CCO ethanol\nOCC the-same\nC1CC broken\nCC(=O)O acetic-acid\n")
    out, err = run("import_library", "Tiny", path, "--license", "CC0")
    assert "4 rows, 2 molecules, 1 rows merged, 1 rejected" in out
    assert "C1CC" in err or "3" in err
    assert (Library.objects.get().license, LibraryVersion.objects.get().state) == ("CC0", "ready")
    assert "Changed or assumed:" not in out
    assert "Tiny v2" in run("import_library", "Tiny", path)[0]


@pytest.mark.django_db(transaction=True)
def test_import_library_says_what_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("CC(=O)Oc1ccccc1C(=O)[O-].[Na+],A1\n[CH3:1]CO,E1\nCCCCCO.Cl,P1\n")
    out, _ = run("import_library", "Changed", path)
    assert "1 row, no_heading: The table has no heading." in out
    assert "column 1 as SMILES, column 2 as identifiers" in out
    assert "2 rows, fragments_removed: " in out
    assert "For example line 1: CC(=O)Oc1ccccc1C(=O)[O-].[Na+] → CC(=O)Oc1ccccc1C(=O)O; line 3: " in out
    assert "1 row, atom_maps_removed: Atom map numbers were removed. For example line 2: CCO." in out


@pytest.mark.django_db(transaction=True)
def test_import_of_a_library_without_structures(tmp_path: Path) -> None:
    (tmp_path / "a.smi").write_text("C1CC\n")
    with pytest.raises(CommandError, match=r"a\.smi"):
        run("import_library", "Tiny", tmp_path / "a.smi")


def test_export_format_by_option_and_by_extension(world: World, tmp_path: Path) -> None:
    job = make_job(2, world.project, world.user, model_version=world.model, library_version=world.version)
    make_annotation(job.items.get(position=0))
    out, err = run("export", job.public_id, "--out", tmp_path / "r.json", "--top", "3")
    assert "2 spectra" in out
    assert "not finished" in err
    document = json.loads((tmp_path / "r.json").read_text())
    assert [len(spectrum["candidates"]) for spectrum in document["spectra"]] == [3, 0]
    assert document["job"]["checkpoint_sha256"] == world.model.checkpoint_sha256
    run("export", job.public_id, "--out", tmp_path / "r.txt", "--format", "csv")
    assert len((tmp_path / "r.txt").read_text().splitlines()) == 3
    assert not list(tmp_path.glob("*.unfinished"))


def test_export_by_external_id(world: World, tmp_path: Path) -> None:
    for external_id in ("run-7", "twice", "twice"):
        make_job(1, world.project, world.user, external_id=external_id)
    assert "1 spectra" in run("export", "run-7", "--out", tmp_path / "r.csv")[0]
    for text in ("twice", "none", ""):
        with pytest.raises(CommandError, match="identifier"):
            run("export", text, "--out", tmp_path / "r.csv")


def test_issue_token(world: World) -> None:
    robot = make_user("robot")
    Membership.objects.create(project=world.project, user=robot, role=Role.SUBMITTER)
    out, err = run("issue_token", "LIMS", "--user", "robot", "--days", "30")
    token = authenticate(out.strip())
    assert token is not None
    assert (token.user, token.scopes, token.project) == (robot, ["read", "submit"], world.project)
    assert token.expires_at is not None
    assert out.strip() not in err
    with pytest.raises(CommandError, match="does not have the role curator"):
        run("issue_token", "LIMS", "--user", "robot", "--scope", "read", "--scope", "review")


def test_register_a_folder_without_a_checkpoint(db: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no such folder"):
        run("register_checkpoint", tmp_path / "none")
    with pytest.raises(CommandError, match=r"config\.json"):
        run("register_checkpoint", tmp_path)


@pytest.mark.django_db(transaction=True)
def test_demonstration_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.annotation.builders import make_model_version

    # The whole library takes a minute.
    short = tmp_path / "structures.smi"
    short.write_text("".join(f"{smiles}\tS{number}\n" for number, smiles in enumerate(SMILES)))
    monkeypatch.setattr(load_demonstration, "STRUCTURES", short)
    make_user("root", is_superuser=True)
    with pytest.raises(CommandError, match="register_checkpoint"):
        run("load_demonstration")
    make_model_version(is_default=True)
    out, _ = run("load_demonstration")
    assert run("load_demonstration")[0] == out
    job = Job.objects.get()
    assert job.items.count() == 60
    assert job.library_version.n_molecules == len(SMILES)
    spectra = Spectrum.objects.all()
    assert not spectra.exclude(license__in=("CC0", "CC BY")).exists()
    assert not spectra.exclude(claimed_smiles="").exists()
    assert all(spectrum.metadata["AUTHORS"] for spectrum in spectra)
    make_model_version(name="another")
    assert Upload.objects.count() == LibraryVersion.objects.count() == 1
