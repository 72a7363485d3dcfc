"""Collected static files: modules import each other by their hashed names."""

from __future__ import annotations

from pathlib import Path

from django.contrib.staticfiles import finders
from pytest_django import Settings

from glmr_server.static_files import HashedStaticFilesStorage

MODULES = ("annotation/plot.js", "annotation/spectrum_layout.js")


def test_imports_name_the_hashed_files(tmp_path: Path, settings: Settings) -> None:
    settings.DEBUG = False
    storage = HashedStaticFilesStorage(location=tmp_path)
    for name in MODULES:
        source = finders.find(name)
        assert isinstance(source, str)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(Path(source).read_bytes())
    for _ in storage.post_process({name: (storage, name) for name in MODULES}):
        pass
    plot, layout = (storage.stored_name(name) for name in MODULES)
    assert layout != MODULES[1]
    assert f'from "./{Path(layout).name}"' in (tmp_path / plot).read_text()
