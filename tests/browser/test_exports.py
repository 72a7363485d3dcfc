"""A person filters a job, exports what the screen counts, and gets the file from the exporter."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright.sync_api")

from tests.annotation.exports.building import mixed_job

if TYPE_CHECKING:
    from tests.browser.conftest import OpenAs
    from tests.worker.conftest import Start

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def test_the_exported_rows_are_those_of_the_filtered_screen(
    open_as: OpenAs, start: Start, tmp_path: Path
) -> None:
    job = mixed_job()
    start("exporter")
    page = open_as(job.submitted_by)
    page.goto(f"/jobs/{job.public_id}/?state=done")
    n_shown = page.locator("tr[data-item-state]").count()
    card = page.locator("#exports")
    card.locator("select[name=format]").select_option("csv")
    card.get_by_role("button", name="Export the filtered features").click()
    page.locator("tr[data-export-state=ready]").wait_for(timeout=300_000)
    assert "state=done" in page.url  # the filter is still there
    with page.expect_download() as started:
        page.locator("a[data-export=csv]").click()
    started.value.save_as(tmp_path / "results.csv")
    with (tmp_path / "results.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == n_shown == 2
    assert {row["state"] for row in rows} == {"done"}

    page.set_viewport_size({"width": 390, "height": 844})
    wider = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(wider)
