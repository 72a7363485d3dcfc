"""Imports of reference files: what becomes a reference, what does not and why; versions never change."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction

from annotation.libraries.import_options import CannotImport
from annotation.models import (
    Library,
    LibraryVersion,
    Molecule,
    ReferenceSpectrum,
    ReferenceVersion,
)
from annotation.references.load import import_references
from tests.annotation.builders import make_project

pytestmark = pytest.mark.django_db


def record(title: str, smiles: str, precursor: float = 181.0495, adduct: str = "[M+H]+") -> str:
    lines = [f"TITLE={title}", f"PEPMASS={precursor}", f"SMILES={smiles}", "LICENSE=CC0"]
    lines += [f"ADDUCT={adduct}"] if adduct else []
    return "\n".join(["BEGIN IONS", *lines, "121.0284 100", "139.0390 40", "END IONS", ""])


ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
GOOD = record("REF-1", ASPIRIN) + record("REF-2", "OC(=O)c1ccccc1OC(C)=O") + record(
    "REF-3", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", 195.0877
)  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "references.mgf"
    path.write_text(GOOD)
    return path


def test_spectra_and_molecules_are_stored_with_their_origin(file: Path) -> None:
    version = import_references("public", file, license="CC0")

    assert (version.state, version.number) == ("ready", 1)
    assert (version.n_found, version.n_spectra, version.n_molecules, version.n_rejected) == (3, 3, 2, 0)
    first = version.spectra.get(position=0)
    assert (first.title, first.adduct, first.license) == ("REF-1", "[M+H]+", "CC0")
    assert first.origin == "references.mgf, spectrum 1"
    assert first.molecule.smiles == ASPIRIN
    assert first.to_exchange().mz.tolist() == [121.0284, 139.039]
    assert len(first.molecule.fingerprint) == 256


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (record("x", "C1CC"), "unparsable"),
        (record("x", ""), "no_structure"),
        (record("x", ASPIRIN, adduct=""), "no_adduct"),
        (record("x", ASPIRIN, precursor=300.0), "mass_mismatch"),
        (record("x", f"{ASPIRIN}\nINCHIKEY=FJKROLUGYXJWQN-UHFFFAOYSA-N"), "contradiction"),
        (record("x", f"{ASPIRIN}\nSMILES=OC(=O)c1ccccc1CC(O)=O"), "contradiction"),
        (record("x", ASPIRIN).replace("121.0284 100\n139.0390 40\n", ""), "no_peaks"),
    ],
)
def test_unusable_spectra_are_reported_and_the_others_imported(file: Path, bad: str, code: str) -> None:
    file.write_text(bad + GOOD)

    version = import_references("public", file)

    assert (version.n_spectra, version.n_rejected) == (3, 1)
    issue = version.issues.get()
    assert issue.code == code
    assert issue.reason
    assert issue.remedy


def test_what_was_changed_is_stored_with_the_version(file: Path) -> None:
    salt = record("x", "CC(=O)Oc1ccccc1C(=O)[O-].[Na+]")
    comma = record("y", ASPIRIN).replace("PEPMASS=181.0495", "PEPMASS=181,0495")
    unusable = record("z", "C1CC").replace("PEPMASS=181.0495", "PEPMASS=181,0495")
    file.write_text(salt + comma + unusable + GOOD)

    version = import_references("public", file)

    version.refresh_from_db()
    assert (version.n_spectra, version.n_rejected) == (5, 1)
    notes = {note["code"]: note for note in version.import_notes}
    assert sorted(notes) == ["fragments_removed", "number_format"]
    assert notes["fragments_removed"]["examples"] == [
        f"spectrum 1: CC(=O)Oc1ccccc1C(=O)[O-].[Na+] → {ASPIRIN}"
    ]
    assert notes["number_format"]["count"] == 1  # the repair of the unusable record does not count
    assert "181.0495" in notes["number_format"]["examples"][0]
    out = StringIO()
    call_command("import_references", str(file), name="again", stdout=out, stderr=StringIO())
    assert "1 spectrum, fragments_removed: " in out.getvalue()


BETAINE = "C[N+](C)(C)CC(=O)[O-]"


@pytest.mark.parametrize(
    ("smiles", "adduct", "codes"),
    [
        (BETAINE, "[M]+", []),  # the cation that its protonated form is
        ("C[N+](C)(C)CC(=O)O", "[M]+", []),
        (BETAINE, "[M+H]+", []),
        ("CC(C)C(N)C(=O)O", "[M+H]+", []),
        ("CC(C)C(N)C(=O)O", "[M]+", ["mass_mismatch"]),  # valine has the same formula and no fixed charge
    ],
)
def test_zwitterions_as_cations(file: Path, smiles: str, adduct: str, codes: list[str]) -> None:
    file.write_text(record("x", smiles, 118.0863, adduct) + GOOD)

    version = import_references("public", file)

    assert list(version.issues.values_list("code", flat=True)) == codes


def test_equal_spectra_give_a_new_version_with_an_equal_hash(file: Path, tmp_path: Path) -> None:
    first = import_references("public", file)
    other = tmp_path / "other.mgf"
    records = GOOD.split("BEGIN IONS")[1:]
    other.write_text("".join(f"BEGIN IONS{text}" for text in reversed(records)))

    second = import_references("public", other)

    assert (second.number, second.content_sha256) == (2, first.content_sha256)
    assert Molecule.objects.count() == 2


def test_a_file_without_any_reference_gives_a_failed_version_with_the_reason(file: Path) -> None:
    file.write_text(record("x", ""))

    version = import_references("public", file)

    assert version.state == "failed"
    assert "structure" in version.failure
    assert not ReferenceSpectrum.objects.exists()


def test_a_ready_version_never_changes(file: Path) -> None:
    version = import_references("public", file)
    for change in (
        lambda: version.spectra.update(title="other"),
        lambda: version.spectra.all().delete(),
        lambda: ReferenceVersion.objects.update(n_spectra=0),
    ):
        with pytest.raises(DatabaseError, match="refused"), transaction.atomic():
            change()


def test_a_name_belongs_to_one_owner(file: Path) -> None:
    import_references("public", file)
    with pytest.raises(CannotImport, match="taken by another owner"):
        import_references("public", file, project=make_project())


def test_the_command_reports_counts_and_issues(file: Path) -> None:
    file.write_text(record("x", "") + GOOD)
    out, err = StringIO(), StringIO()
    call_command("import_references", str(file), "--name", "public", stdout=out, stderr=err)
    assert "public v1: 3 spectra of 2 molecules, 1 rejected." in out.getvalue()
    assert "has no structure" in err.getvalue()
    with pytest.raises(CommandError, match="no such file"):
        call_command("import_references", "nowhere.mgf", "--name", "public")
    assert not Library.objects.exists()
    assert not LibraryVersion.objects.exists()
