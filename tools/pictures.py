"""Takes the pictures of the help from a running server: `make docs-pictures`.

Starts a server on a temporary data directory, walks through the tutorial in Chromium, and writes PNG files to
docs/pictures. They are committed, so that a machine without a browser can build the help.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tools.tutorial_spectra import FILE as SPECTRA

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
START_TIMEOUT_S = 900.0  # with the demonstration batch, on a busy machine
WIDTH = 1100
COLOURS = 128
ACCOUNT = "curator"


@contextmanager
def running_server(data_dir: Path) -> Iterator[str]:
    """A whole server with the demonstration; yields its address. Raises RuntimeError if it does not start."""
    log = data_dir.with_suffix(".log")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GLMR_")}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "glmr_server.up"],
            cwd=ROOT,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**environment, "GLMR_DATA_DIR": str(data_dir)},
        )
    try:
        yield _wait_for_address(process, log)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        printed = log.read_text(errors="replace")
        found = re.search(r"GLMR Server is up: \S*?(http://[\d.:]+)", printed)
        if found and "Demonstration batch annotated (" in printed:
            return found[1]
        time.sleep(1)
    raise RuntimeError(f"The server did not start. Its output:\n{log.read_text(errors='replace')[-2000:]}")


def take(page: Page, name: str, *, height: int) -> None:
    """A picture of the page from its top, at most `height` pixels."""
    page.wait_for_load_state("networkidle")
    image = Image.open(io.BytesIO(page.screenshot(full_page=True, animations="disabled")))
    _save(image.crop((0, 0, image.width, min(image.height, height))), name)


def _save(image: Image.Image, name: str) -> None:
    """With few colours, which is enough for flat colours and text."""
    path = PICTURES / f"{name}.png"
    image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")


def walk(page: Page, password: str) -> None:
    """The tutorial, step by step."""
    page.goto("/")
    page.get_by_label("User name").fill(ACCOUNT)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    take(page, "jobs", height=480)

    page.goto("/submit/")
    page.locator('input[type="file"]').set_input_files(SPECTRA)
    take(page, "submit", height=900)
    page.get_by_role("button", name=re.compile("^Upload")).click()
    page.wait_for_url("**/submit/report/**")
    take(page, "report", height=640)
    page.get_by_role("button", name=re.compile("^Annotate")).click()
    page.wait_for_url("**/jobs/**")
    page.get_by_role("link", name=re.compile("vial-1")).first.wait_for(timeout=120_000)
    page.reload()
    take(page, "job", height=860)

    page.get_by_role("link", name=re.compile("vial-1")).first.click()
    page.wait_for_url("**/annotations/**")
    take(page, "result", height=1200)
    form = page.locator("form", has=page.get_by_label("Accept rank 1"))
    form.get_by_label("Accept rank 1").check()
    page.wait_for_load_state("networkidle")
    card = page.locator(".card", has=page.get_by_label("Accept rank 1"))
    _save(Image.open(io.BytesIO(card.screenshot(animations="disabled"))), "verdict")


def open_page(browser: Browser, address: str) -> Page:
    context = browser.new_context(
        base_url=address,
        viewport={"width": WIDTH, "height": 800},
        color_scheme="light",
        reduced_motion="reduce",
    )
    return context.new_page()


def main() -> int:
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = os.environ.get("GLMR_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        print(
            "No Chromium was found. Install it (Debian: apt install chromium), or name it in GLMR_CHROMIUM."
        )
        return 1
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="glmr-pictures-") as folder, sync_playwright() as driver:
        data_dir = Path(folder) / "data"
        with running_server(data_dir) as address:
            browser = driver.chromium.launch(executable_path=chromium, args=arguments)
            password = json.loads((data_dir / "logins.json").read_text())[ACCOUNT]
            walk(open_page(browser, address), password)
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
