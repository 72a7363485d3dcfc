"""Imports for tests: a small library and a small reference file, requested and done by a worker."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile

from annotation.imports.actions import from_file, request_import
from annotation.imports.run import run_next
from annotation.models import VersionImport
from tests.annotation.builders import make_user

LIBRARY = b"""\
smiles,name
CC(=O)Oc1ccccc1C(=O)O,aspirin
C[C@H](N)C(=O)O,L-alanine
C[C@@H](N)C(=O)O,D-alanine
not-a-structure,broken
CC(=O)Oc1ccccc1C(=O)[O-].[Na+],sodium salt of aspirin
Cn1c(=O)c2c(ncn2C)n(C)c1=O,caffeine
"""
_SPECTRUM = """\
BEGIN IONS
TITLE={title}
PEPMASS={mz}
ADDUCT=[M+H]+
SMILES={smiles}
LICENSE=CC0
COLLISION_ENERGY=30 eV
121.0284 100
139.0390 40
END IONS
"""
REFERENCES = "".join(
    _SPECTRUM.format(title=title, mz=mz, smiles=smiles)
    for title, mz, smiles in (
        ("REF-1", 181.0495, "CC(=O)Oc1ccccc1C(=O)O"),
        ("REF-2", 195.0877, "Cn1c(=O)c2c(ncn2C)n(C)c1=O"),
        ("REF-3", 300.0, "Cn1c(=O)c2c(ncn2C)n(C)c1=O"),
    )
).encode()


def requested(content: bytes = LIBRARY, user: User | None = None, **values: Any) -> VersionImport:
    fields: dict[str, Any] = {
        "kind": "library",
        "name": "drugs",
        "project": None,
        "file_name": "drugs.csv",
        "license": "CC0",
        "source": "https://example.org/drugs",
    }
    return request_import(
        user=user or make_user(is_superuser=True), store=from_file(ContentFile(content)), **(fields | values)
    )


def checked(content: bytes = LIBRARY, user: User | None = None, **values: Any) -> VersionImport:
    row = requested(content, user, **values)
    assert run_next()
    row.refresh_from_db()
    return row
