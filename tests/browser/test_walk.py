"""From sign-in to a downloaded verdict, with a real worker: what a facility does first."""

from __future__ import annotations

import csv
import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from annotation.models import Job, Membership, ModelVersion, Role
from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.spectra.mgf_writer import write_mgf
from tests.annotation.builders import make_library_version, make_project, make_user
from tests.tiny_checkpoint import MOLECULES

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import OpenAs
    from tests.worker.conftest import Start

TIMEOUT_MS = 240_000  # a busy machine needs long to import torch
ENERGIES_EV = (10.0, 20.0, 30.0, 40.0, 50.0)  # enough spectra for the page to show progress several times


def write_batch(path: Path) -> int:
    """Writes computed spectra at several energies and one without peaks; returns how many are usable."""
    spectra = [
        dataclasses.replace(
            fragment_spectrum(smiles, collision_energy_ev=energy), title=f"batch {number} at {energy} eV"
        )
        for number, smiles in enumerate(MOLECULES, 1)
        for energy in ENERGIES_EV
    ]
    with path.open("w") as stream:
        write_mgf(spectra, stream)
        stream.write("BEGIN IONS\nTITLE=empty\nPEPMASS=200.1\nEND IONS\n")
    return len(spectra)


def count(page: Page, name: str) -> int:
    return int(re.sub(r"\D", "", page.locator(f'[data-metric="{name}"] dd').inner_text()))


def submit(page: Page, batch: Path, n: int) -> None:
    page.locator('main a[href="/submit/"]').first.click()
    page.locator("input[type=file]").set_input_files(batch)
    page.locator("form[data-files] button[type=submit]").click()
    page.locator("tr[data-issue-code]").wait_for()
    page.locator("input[name=name]").fill("First batch")
    page.locator(f'button[data-usable="{n}"]').click()
    page.wait_for_url("**/jobs/*/")


def watch_progress(page: Page, start: Start) -> set[int]:
    """Starts the services; returns all counts of annotated spectra that the page showed."""
    from playwright.sync_api import expect

    assert page.locator("#progress").get_attribute("data-state") == "stalled"
    start("worker")
    start("beat")
    counts = {count(page, "done")}
    expect(page.locator('[data-metric="done"] dd')).not_to_have_text(
        re.compile(r"^\s*0\s*$"), timeout=TIMEOUT_MS
    )
    while page.locator("#progress[hx-get]").count():
        counts.add(count(page, "done"))
        page.wait_for_timeout(300)
    page.locator("[data-finished]").wait_for(timeout=TIMEOUT_MS)
    return counts | {count(page, "done")}


def open_first_spectrum(page: Page) -> None:
    page.locator("table.spectra tbody th a").first.click()
    page.wait_for_url("**/annotations/*/")
    page.locator("[data-spectrum-plot][data-drawn]").wait_for()
    assert page.locator("[data-spectrum-plot] line.peak").count() > 3
    assert page.locator("[data-spectrum-plot] line.peak.explained").count() > 0
    picture = page.locator(".candidates img.structure").first
    picture.scroll_into_view_if_needed()
    picture.evaluate("picture => picture.decode()")  # raises unless it is a picture


def accept_by_keyboard(page: Page) -> None:
    page.locator("h1").click()
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    page.locator("[data-verdict=accept]").wait_for()


def download(page: Page, path: Path) -> list[dict[str, str]]:
    with page.expect_download() as download_info:
        page.locator("a[data-rows]").click()
    download_info.value.save_as(path)
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.timeout(900)
def test_from_a_file_to_a_verdict_in_the_csv(
    start: Start, model_version: ModelVersion, open_as: OpenAs, tmp_path: Path
) -> None:
    submitter, curator = make_user("sam"), make_user("cora")
    project = make_project(submitter, Role.SUBMITTER)
    Membership.objects.create(project=project, user=curator, role=Role.CURATOR)
    make_library_version(MOLECULES)
    n = write_batch(tmp_path / "batch.mgf")

    page = open_as(submitter)
    submit(page, tmp_path / "batch.mgf", n)
    counts = watch_progress(page, start)
    assert count(page, "done") + count(page, "no_match") + count(page, "unusable") == n
    assert len(counts) > 2, "the page showed no progress between none and all"

    job = Job.objects.get()
    review = open_as(curator)
    review.goto(f"/jobs/{job.public_id}/")
    open_first_spectrum(review)
    accept_by_keyboard(review)

    review.goto(f"/jobs/{job.public_id}/")
    stated = review.locator("a[data-rows]").get_attribute("data-rows")
    rows = download(review, tmp_path / "results.csv")
    assert len(rows) == int(stated or 0) == n
    assert [row["verdict_by"] for row in rows if row["verdict_decision"] == "accept"] == ["cora"]
