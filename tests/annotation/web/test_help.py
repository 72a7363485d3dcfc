"""The help pages at /help/: open to all, with types and caching, and nothing outside their folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.test import Client

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.fixture
def help_root(tmp_path: Path, settings: Settings) -> Path:
    root = tmp_path / "html"
    (root / "reference").mkdir(parents=True)
    (root / "_static").mkdir()
    (root / "index.html").write_text("<h1>Help</h1>")
    (root / "reference" / "rest.html").write_text("<h1>REST</h1>")
    (root / "_static" / "help.css").write_text("p { margin: 0 }")
    (root / "_static" / "search.js").write_text("search()")
    (root / "first.mgf").write_text("BEGIN IONS\nEND IONS\n")
    (root / ".buildinfo").write_text("hidden")
    (tmp_path / "secret.html").write_text("secret")
    settings.HELP_ROOT = root
    return root


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("", "text/html; charset=utf-8"),
        ("reference/rest.html", "text/html; charset=utf-8"),
        ("_static/help.css", "text/css; charset=utf-8"),
        ("_static/search.js", "text/javascript; charset=utf-8"),
        ("first.mgf", "text/plain; charset=utf-8"),
    ],
)
def test_pages_open_without_a_sign_in_and_without_a_query(
    path: str, content_type: str, help_root: Path
) -> None:
    # No database fixture: a query would fail the test.
    response = Client().get(f"/help/{path}")
    assert response.getvalue().decode() == (help_root / (path or "index.html")).read_text()
    assert response.headers["Content-Type"] == content_type
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "gone.html",
        "reference",
        "reference/",
        ".buildinfo",
        "../secret.html",
        "reference/../../secret.html",
        "%2e%2e/secret.html",
        "..%2fsecret.html",
        "/etc/passwd",
        "index.html%00.png",
    ],
)
def test_nothing_else_is_served(path: str, help_root: Path) -> None:
    response = Client().get(f"/help/{path}")
    # 400: Django logs the attempt to leave the folder.
    assert response.status_code in (400, 404)
    assert "secret" not in response.content.decode()


def test_a_link_out_of_the_folder_is_not_followed(help_root: Path) -> None:
    (help_root / "link.html").symlink_to(help_root.parent / "secret.html")
    assert Client().get("/help/link.html").status_code == 404


def test_only_reading(help_root: Path) -> None:
    assert Client().head("/help/").status_code == 200
    assert Client().post("/help/").status_code == 405


def test_browsers_check_pages_again_and_keep_hashed_files(help_root: Path) -> None:
    first = Client().get("/help/reference/rest.html")
    assert first.headers["Cache-Control"] == "no-cache"
    again = Client().get("/help/reference/rest.html", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "immutable" in Client().get("/help/_static/help.css?v=1a2b").headers["Cache-Control"]


def test_a_rebuilt_page_is_sent_again(help_root: Path) -> None:
    tag = Client().get("/help/").headers["ETag"]
    (help_root / "index.html").write_text("<h1>Newer help</h1>")
    again = Client().get("/help/", headers={"If-None-Match": tag})
    assert again.getvalue() == b"<h1>Newer help</h1>"


def test_where_it_is_not_built_the_page_names_the_command(tmp_path: Path, settings: Settings) -> None:
    settings.HELP_ROOT = tmp_path / "absent"
    for path in ("/help/", "/help/glossary.html"):
        response = Client().get(path)
        assert response.status_code == 503
        assert "<code>make docs</code>" in response.content.decode()
