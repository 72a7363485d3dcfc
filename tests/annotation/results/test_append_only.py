"""Triggers in the database refuse to change verdicts, results, spectra and ready library versions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction

from annotation.models import (
    Annotation,
    Candidate,
    LibraryEntry,
    LibraryVersion,
    Molecule,
    Spectrum,
    Verdict,
)
from tests.annotation.builders import make_annotation

pytestmark = pytest.mark.django_db


@pytest.fixture
def annotation() -> Annotation:
    annotation = make_annotation()
    Verdict.objects.create(
        annotation=annotation, decision="reject", decided_by=annotation.job.submitted_by, shown={}
    )
    return annotation


def truncate_verdicts() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SET CONSTRAINTS ALL IMMEDIATE"
        )  # otherwise pending checks refuse it before the trigger
        cursor.execute("TRUNCATE annotation_verdict")


def add_entry() -> None:
    entry = LibraryEntry.objects.first()
    assert entry is not None
    molecule = Molecule.objects.create(
        inchikey_first_block="X", smiles="C", formula="CH4", exact_mass=16.0, fingerprint=b""
    )
    LibraryEntry.objects.create(
        version=entry.version, molecule=molecule, exact_mass=16.0, row_number=99, drawn_smiles="C"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda: Verdict.objects.update(comment="changed"),
        lambda: Verdict.objects.all().delete(),
        truncate_verdicts,
        lambda: Annotation.objects.update(adduct="[M+Na]+"),
        lambda: Candidate.objects.update(rank=7),
        lambda: Spectrum.objects.update(mz_bytes=b""),
        add_entry,
        lambda: LibraryEntry.objects.update(name="other"),
        lambda: LibraryEntry.objects.all().delete(),
        lambda: LibraryVersion.objects.update(content_sha256="0"),
    ],
    ids=[
        "change a verdict",
        "delete verdicts",
        "truncate verdicts",
        "change a result",
        "change a rank",
        "change peaks",
        "add to a ready library version",
        "change an entry",
        "delete entries",
        "change a ready version",
    ],
)
def test_the_database_refuses(annotation: Annotation, change: Callable[[], object]) -> None:
    with pytest.raises(DatabaseError, match=r"refused|cannot truncate"), transaction.atomic():
        change()
    annotation.refresh_from_db()
    assert annotation.verdicts.get().decision == "reject"
