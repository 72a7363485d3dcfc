"""The check of links in Markdown files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import links


@pytest.fixture
def page(tmp_path: Path) -> Path:
    other = "# Other page\n\n## Units: `ppm` and Da\n\n```sh\n# no heading\n```\n\n## Twice\n\n## Twice\n"
    (tmp_path / "other.md").write_text(other)
    return tmp_path / "page.md"


@pytest.mark.parametrize(
    "link",
    [
        "other.md",
        "other.md#units-ppm-and-da",
        "other.md#twice-1",
        "#page",
        "https://example.org/gone",
        "server:/status/",
    ],
)
def test_living_links(link: str, page: Path) -> None:
    page.write_text(f"# Page\n\nSee [it]({link}).\n")
    assert links.check([page]) == []


@pytest.mark.parametrize("link", ["gone.md", "other.md#no-heading", "other.md#twice-2", "#gone"])
def test_dead_links(link: str, page: Path) -> None:
    page.write_text(f"# Page\n\nSee [it]({link}).\n")
    (sentence,) = links.check([page])
    assert f"page.md:3: {link}: " in sentence


def test_code_holds_no_links(page: Path) -> None:
    page.write_text("`[a](gone.md)`\n\n```\n[a](gone.md)\n```\n")
    assert links.check([page]) == []


def test_the_project_itself() -> None:
    assert links.check(links.markdown_files()) == []
