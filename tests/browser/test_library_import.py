"""A manager uploads a library, reads its check, publishes it, and annotates against it.."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright.sync_api")

from annotation.models import LibraryVersion, Membership, ModelVersion, Role
from tests.annotation.builders import make_project, make_user
from tests.browser.test_walk import TIMEOUT_MS, write_batch
from tests.tiny_checkpoint import MOLECULES

if TYPE_CHECKING:
    from tests.browser.conftest import OpenAs
    from tests.worker.conftest import Start

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


def test_from_a_file_to_results_against_it(
    open_as: OpenAs, start: Start, model_version: ModelVersion, tmp_path: Path
) -> None:
    user = make_user()
    Membership.objects.create(project=make_project(), user=user, role=Role.MANAGER)
    library = tmp_path / "compounds.csv"
    rows = [f"{smiles},compound {number}" for number, smiles in enumerate(MOLECULES, 1)]
    library.write_text("\n".join(["smiles,name", *rows, "not-a-structure,broken", ""]))
    start("exporter")
    page = open_as(user)

    page.goto("/libraries/")
    page.locator('a[href="/libraries/import/"]').click()
    page.locator("input[type=file]").set_input_files(library)
    page.locator("input[name=name]").fill("Our compounds")
    page.locator("input[name=license]").fill("CC0")
    page.locator("input[name=source]").fill("our inventory")
    page.locator("form[data-library-upload] button[type=submit]").click()
    page.locator('[data-import-state="checked"]').wait_for(timeout=TIMEOUT_MS)
    assert page.locator("[data-rejection]").count() == 1
    with page.expect_download() as started:
        page.get_by_role("link", name="Download all rejected").click()
    assert "broken" in Path(started.value.path()).read_text() or started.value.suggested_filename
    n = LibraryVersion.objects.count()
    assert n == 0  # nothing is published yet

    page.get_by_role("button", name=f"Publish {len(MOLECULES)} molecules as version 1").click()
    page.locator('[data-import-state="published"]').wait_for(timeout=TIMEOUT_MS)
    version = LibraryVersion.objects.get()
    assert version.n_molecules == len(MOLECULES)
    page.set_viewport_size({"width": 390, "height": 844})
    wider = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(wider)

    batch = tmp_path / "batch.mgf"
    n_usable = write_batch(batch)
    start("worker")
    page.goto("/submit/")
    page.locator("input[type=file]").set_input_files(batch)
    page.locator("form[data-files] button[type=submit]").click()
    page.locator(f'button[data-usable="{n_usable}"]').click()
    page.wait_for_url("**/jobs/*/")
    page.locator('tr[data-item-state="done"]').first.wait_for(timeout=TIMEOUT_MS)
    page.goto(f"/libraries/{version.library_id}/")
    assert page.locator("[data-n-jobs]").get_attribute("data-n-jobs") == "1"
