"""From sign-in to a downloaded verdict, with a real worker: what a facility does in its first ten minutes."""

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

PATIENCE_MS = 240_000  # a loaded machine takes its time to import torch
ENERGIES_EV = (
    10.0,
    20.0,
    30.0,
    40.0,
    50.0,
)  # enough work for several looks of the page


def write_batch(path: Path) -> int:
    """Computed spectra at several energies, and one that must be rejected. The number of usable ones."""
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


def figure(page: Page, name: str) -> int:
    return int(re.sub(r"\D", "", page.locator(f"#n-{name}").inner_text()))


def submit(page: Page, batch: Path, n: int) -> None:
    page.get_by_role("link", name="Submit spectra").first.click()
    page.locator("input[type=file]").set_input_files(batch)
    page.get_by_label("Name of the job").fill("First batch")
    page.get_by_role("button", name="Read the files").click()
    page.get_by_text("It has no peaks.").wait_for()
    page.get_by_role("button", name=f"Annotate {n} spectra").click()
    page.wait_for_url("**/jobs/*/")


def watch_progress(page: Page, start: Start, n: int) -> set[int]:
    """All counts that the page showed, by itself, until it stopped asking."""
    from playwright.sync_api import expect

    assert "Stalled" in page.locator("#progress").inner_text()
    start("worker")
    start("beat")
    seen = {figure(page, "done")}
    expect(page.locator("#n-done")).not_to_have_text("0", timeout=PATIENCE_MS)
    while page.locator("#progress[hx-get]").count():
        seen.add(figure(page, "done"))
        page.wait_for_timeout(300)
    page.get_by_text(re.compile(r"^Finished \d")).wait_for(timeout=PATIENCE_MS)
    return seen | {figure(page, "done")}


def look_at_a_spectrum(page: Page) -> None:
    page.locator("table.spectra tbody th a").first.click()
    page.wait_for_url("**/annotations/*/")
    assert page.locator(".plot .peak").count() > 3
    assert page.locator(".plot .peak.explained").count() > 0
    pictures = page.locator(".candidates img.structure")
    pictures.first.scroll_into_view_if_needed()
    pictures.first.evaluate("picture => picture.decode()")  # fails unless it is a picture
    peaks = page.locator(".plot svg")
    peaks.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".readout").inner_text().startswith("m/z ")
    page.keyboard.press("+")
    page.keyboard.press("0")


def accept_by_keyboard(page: Page) -> None:
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    page.get_by_text("Recorded: accept rank 1.").wait_for()


def download(page: Page, path: Path) -> list[dict[str, str]]:
    with page.expect_download() as wanted:
        page.get_by_role("link", name="Download CSV").click()
    wanted.value.save_as(path)
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
    seen = watch_progress(page, start, n)
    assert figure(page, "done") + figure(page, "failed") == n
    assert len(seen) > 2, "the page showed no progress between nothing and all"

    job = Job.objects.get()
    review = open_as(curator)
    review.goto(f"/jobs/{job.public_id}/")
    look_at_a_spectrum(review)
    accept_by_keyboard(review)

    review.goto(f"/jobs/{job.public_id}/")
    said = re.search(r"\((\d+) spectra\)", review.get_by_role("link", name="Download CSV").inner_text())
    assert said is not None
    rows = download(review, tmp_path / "results.csv")
    assert len(rows) == int(said[1]) == n
    assert [row["verdict_by"] for row in rows if row["verdict_decision"] == "accept"] == ["cora"]
