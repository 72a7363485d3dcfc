"""Checks and publications: what a check reports, what a publication makes, and what a dead worker leaves."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from annotation.imports import ledger, run
from annotation.imports.actions import MAX_UNFINISHED, CannotRequest, discard, next_number, publish
from annotation.imports.run import run_next
from annotation.libraries import load
from annotation.models import (
    Library,
    LibraryEntry,
    LibraryVersion,
    ReferenceSpectrum,
    ReferenceVersion,
    VersionImport,
)
from tests.annotation.builders import make_library_version, make_project, make_user
from tests.annotation.imports.building import LIBRARY, REFERENCES, checked, requested

pytestmark = pytest.mark.django_db


def let_lease_expire() -> None:
    VersionImport.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def published(row: VersionImport) -> VersionImport:
    publish(row, row.requested_by)
    assert run_next()
    row.refresh_from_db()
    return row


def test_a_check_reports_and_stores_nothing() -> None:
    row = checked()
    assert row.state == "checked"
    report = row.report
    counts = {name: report[f"n_{name}"] for name in ("read", "accepted", "merged", "molecules", "rejected")}
    assert counts == {"read": 6, "accepted": 5, "merged": 2, "molecules": 3, "rejected": 1}
    assert (report["n_added"], report["n_removed"], report["compared_with"]) == (3, 0, None)
    [rejection] = report["rejections"]
    assert (rejection["n"], rejection["positions"]) == (1, ["line 5"])
    assert rejection["reason"]
    assert rejection["remedy"]
    assert [row["name"] for row in report["preview"]][:2] == ["aspirin", "L-alanine"]
    assert report["n_changed"] >= 1  # the salt
    assert not Library.objects.exists()
    assert not LibraryEntry.objects.exists()
    with ledger.rejected_of(row).open(newline="") as stream:
        assert [line["position"] for line in csv.DictReader(stream)] == ["line 5"]


def test_the_publication_holds_what_the_check_said() -> None:
    row = checked()
    assert next_number(row) == 1
    row = published(row)
    version = LibraryVersion.objects.get()
    assert (row.state, row.library_version, version.state) == ("published", version, "ready")
    assert (version.number, version.license, version.source) == (1, "CC0", "https://example.org/drugs")
    assert (version.source_file_name, version.imported_by) == ("drugs.csv", row.requested_by)
    for name in ("molecules", "merged", "rejected"):
        assert getattr(version, f"n_{name}") == row.report[f"n_{name}"]
    assert version.import_notes == row.report["notes"]
    assert not ledger.file_of(row).exists()
    assert not run_next()


def test_references_are_checked_and_published() -> None:
    row = checked(REFERENCES, kind="references", name="standards", file_name="standards.mgf")
    counts = {name: row.report[f"n_{name}"] for name in ("read", "accepted", "molecules", "rejected")}
    assert counts == {"read": 3, "accepted": 2, "molecules": 2, "rejected": 1}
    assert row.report["rejections"][0]["code"] == "mass_mismatch"
    assert not ReferenceVersion.objects.exists()
    row = published(row)
    version = ReferenceVersion.objects.get()
    assert (version.n_spectra, version.source, row.reference_version) == (2, row.source, version)
    assert ReferenceSpectrum.objects.get(position=0).origin == "standards.mgf, spectrum 1"


def test_the_check_compares_with_the_newest_version() -> None:
    library = Library.objects.create(name="drugs")
    make_library_version(library=library, smiles=["CC(=O)Oc1ccccc1C(=O)O", "CCO"])
    row = checked()
    assert (row.report["n_added"], row.report["n_removed"], row.report["compared_with"]) == (2, 1, 1)
    assert next_number(row) == 2


def test_a_file_without_a_structure_fails_in_words() -> None:
    row = checked(b"id,name\n1,water\n")
    assert row.state == "failed"
    assert row.error


def test_an_import_can_be_published_at_once() -> None:
    row = checked(publish_at_once=True)
    assert row.state == "queued"
    assert run_next()
    assert LibraryVersion.objects.get().state == "ready"


def test_what_a_dead_worker_held_is_done_by_the_next() -> None:
    row = requested()
    first = ledger.claim()
    assert first is not None
    assert ledger.claim() is None
    let_lease_expire()
    second = ledger.claim()
    assert second is not None
    assert (second.attempt, second.row.pk) == (2, row.pk)
    assert not ledger.renew(first, 5)
    assert not ledger.checked(first, {}, 5)


def test_a_worker_that_always_dies_ends_in_words() -> None:
    row = requested()
    for _ in range(settings.GLMR_MAX_ATTEMPTS):
        assert ledger.claim() is not None
        let_lease_expire()
    assert ledger.claim() is None
    row.refresh_from_db()
    assert row.state == "failed"
    assert "died" in row.error


def test_one_import_of_a_library_runs_at_a_time() -> None:
    requested()
    requested()
    other = requested(name="others")
    assert ledger.claim() is not None
    second = ledger.claim()
    assert second is not None
    assert second.row == other
    assert ledger.claim() is None


@pytest.mark.parametrize("kind", ["library", "references"])
def test_a_stopped_publication_leaves_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = checked(LIBRARY if kind == "library" else REFERENCES, kind=kind)
    publish(row, row.requested_by)
    assert run_next(stopping=lambda: True)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("queued", 0)
    assert not LibraryVersion.objects.exists()
    assert not ReferenceVersion.objects.exists()
    assert run_next()
    row.refresh_from_db()
    assert row.state == "published"
    assert (row.library_version or row.reference_version).number == 1  # type: ignore[union-attr]


def test_a_worker_that_was_given_up_publishes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    row = checked()
    publish(row, row.requested_by)
    complete: Callable[..., Any] = load._complete

    def late(*arguments: Any) -> None:
        let_lease_expire()
        assert ledger.claim() is not None  # another worker
        complete(*arguments)

    monkeypatch.setattr(load, "_complete", late)
    assert run_next()
    row.refresh_from_db()
    assert row.state == "publishing"
    assert not LibraryVersion.objects.exists()


def test_an_error_is_tried_again_and_then_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("no space")

    monkeypatch.setattr(run, "check", broken)
    row = requested()
    for _ in range(settings.GLMR_MAX_ATTEMPTS):
        assert run_next()
    assert not run_next()
    row.refresh_from_db()
    assert row.state == "failed"
    assert "no space" in row.error


def test_a_discarded_or_forgotten_import_loses_its_files() -> None:
    row, other = checked(), checked(name="others")
    discard(row)
    row.refresh_from_db()
    assert (row.state, row.has_files, ledger.folder_of(row).exists()) == ("discarded", False, False)
    with pytest.raises(CannotRequest):
        publish(row, row.requested_by)
    VersionImport.objects.filter(pk=other.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    ledger.expire()
    other.refresh_from_db()
    assert (other.state, other.has_files) == ("discarded", False)


def test_an_import_is_discarded_while_a_worker_does_it() -> None:
    row = requested()
    held = ledger.claim()
    assert held is not None
    discard(row)
    assert not ledger.renew(held, 1)
    assert not ledger.checked(held, {}, 1)
    assert not ledger.release(held)
    row.refresh_from_db()
    assert (row.state, ledger.folder_of(row).exists()) == ("discarded", False)
    assert ledger.claim() is None


def test_names_of_others_and_missing_statements_are_refused() -> None:
    user = make_user(is_superuser=True)
    make_library_version(library=Library.objects.create(name="ours", project=make_project()))
    cases: list[tuple[str, dict[str, Any]]] = [
        ("name", {"name": "ours"}),
        ("name", {"name": " "}),
        ("license", {"license": ""}),
        ("source", {"source": ""}),
        ("name", {"kind": "references", "name": "none"}),
    ]
    for field, values in cases:
        with pytest.raises(CannotRequest) as refusal:
            requested(user=user, **values)
        assert refusal.value.field == field
    for _ in range(MAX_UNFINISHED):
        requested(user=user)
    with pytest.raises(CannotRequest):
        requested(user=user)
