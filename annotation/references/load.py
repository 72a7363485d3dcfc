"""Import a file of spectra with structures as a new version of a reference collection."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from annotation.accounts.models import Project
from annotation.libraries.import_notes import ImportNotes, changed_structure
from annotation.libraries.load import CannotImport, ShowProgress
from annotation.plain_text import clean
from annotation.references import reading, store
from annotation.references.models import (
    ReferenceCollection,
    ReferenceIssue,
    ReferenceSpectrum,
    ReferenceVersion,
)
from annotation.spectra.reading import Refused
from models_ml.isolation import IsolationError, run_bounded
from models_ml.molecules.standardise import NOTE_TEXTS
from models_ml.molecules.structure_text import StructureLimits
from models_ml.spectra.formats import ReadLimits

# Every rejected spectrum is counted. Of a file with only wrong spectra, the first issues are enough.
MAX_STORED_ISSUES = 1_000
_REPAIRED = "The spectrum was repaired, and is used."


class _Refusal(Exception):
    """The whole file is refused. The message is for the person who imports it."""


def import_references(
    name: str,
    path: Path,
    *,
    user: User | None = None,
    project: Project | None = None,
    description: str = "",
    license: str = "",
    progress: ShowProgress | None = None,
) -> ReferenceVersion:
    """Add a version to the collection with the name. The version is READY, or FAILED with the reason.

    Earlier versions stay. Raises CannotImport if a collection of another project has the name, or the
    collection of accepted spectra.
    """
    collection, _ = ReferenceCollection.objects.get_or_create(
        name=name, defaults={"project": project, "description": description, "license": license}
    )
    if collection.project != project or collection.is_accepted:
        owner = f"project {collection.project}" if collection.project else "all projects"
        raise CannotImport(f"A collection {name!r} exists and belongs to {owner}. Choose another name.")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    source = {"source_file_name": clean(path.name, 255), "source_sha256": digest}
    try:
        with transaction.atomic():
            version = store.new_version(collection, user, **source)
            _Import(version, progress).run(path)
            store.complete(version)
            return version
    except _Refusal as refusal:
        with transaction.atomic():
            return store.new_version(
                collection, user, state=ReferenceVersion.State.FAILED, failure=clean(str(refusal)), **source
            )


class _Import:
    """Stores and counts the spectra of one file in one version."""

    def __init__(self, version: ReferenceVersion, progress: ShowProgress | None) -> None:
        self.version = version
        self.progress = progress
        self.n_rejected = 0
        self.issues: list[ReferenceIssue] = []
        self.notes = ImportNotes()

    def run(self, path: Path) -> None:
        n_stored = 0
        for n_added in store.add_spectra(self.version, self._rows(path)):
            n_stored += n_added
            if self.progress is not None:
                self.progress(n_stored)
        ReferenceIssue.objects.bulk_create(self.issues)
        if not n_stored:
            first = f" The first issue: {self.issues[0]}" if self.issues else ""
            raise _Refusal(
                f"None of its {self.n_rejected:,} spectra can be a reference. Each needs peaks, precursor "
                f"m/z, adduct and structure.{first}"
            )
        self.version.n_found, self.version.n_rejected = n_stored + self.n_rejected, self.n_rejected
        self.version.import_notes = self.notes.rows()

    def _rows(self, path: Path) -> Iterator[store.Row]:
        for item in _read(path):
            if isinstance(item, reading.Reference):
                self._note(item)
                yield _row(item, path), item.molecule
                continue
            if isinstance(item, reading.Repaired):
                self.notes.add(item.code, _REPAIRED, f"{item.position}: {item.reason}")
                continue
            self.n_rejected += 1
            if self.n_rejected <= MAX_STORED_ISSUES:
                self.issues.append(_issue(self.version, item))

    def _note(self, item: reading.Reference) -> None:
        position, molecule = f"spectrum {item.source_index + 1:,}", item.molecule
        for code in molecule.notes:
            example = changed_structure(position, molecule.drawn_smiles, molecule.smiles)
            self.notes.add(code, NOTE_TEXTS[code], example)


def _read(path: Path) -> Iterator[reading.Reference | reading.Unusable | reading.Repaired]:
    """The items of the file, read in the bounded child process. Raises _Refusal."""
    limits = ReadLimits(
        max_file_bytes=settings.GLMR_MAX_DECOMPRESSED_BYTES,
        max_spectra=settings.GLMR_MAX_LIBRARY_ROWS,
        max_peaks_per_spectrum=settings.GLMR_MAX_PEAKS_PER_SPECTRUM,
    )
    items: Iterator[reading.Item] = run_bounded(
        reading.read,
        path,
        limits,
        StructureLimits(max_heavy_atoms=settings.GLMR_MAX_ATOMS_PER_MOLECULE),
        memory_bytes=settings.GLMR_PARSE_MEMORY_BYTES,
        cpu_seconds=None,  # a large collection takes long; only a child that sends nothing is ended
    )
    try:
        for item in items:
            if isinstance(item, Refused):
                raise _Refusal(item.reason)
            yield item
    except IsolationError as error:
        raise _Refusal(f"The file could not be read safely: {error} Split it into smaller files.") from error


def _row(item: reading.Reference, path: Path) -> ReferenceSpectrum:
    spectrum = item.spectrum
    return ReferenceSpectrum(
        position=item.source_index,
        title=clean(spectrum.title, 300),
        precursor_mz=item.precursor_mz,
        adduct=clean(item.adduct, 40),
        ion_mode=spectrum.ion_mode or "",
        collision_energy=clean(spectrum.collision_energy, 200),
        collision_energy_ev=spectrum.collision_energy_ev,
        instrument=clean(spectrum.instrument, 300),
        instrument_type=clean(spectrum.instrument_type, 100),
        license=clean(spectrum.license, 100),
        origin=clean(f"{path.name}, spectrum {item.source_index + 1}", 500),
        n_peaks=spectrum.n_peaks,
        mz_bytes=np.asarray(spectrum.mz, dtype="<f8").tobytes(),
        intensity_bytes=np.asarray(spectrum.intensity, dtype="<f8").tobytes(),
        splash=item.splash,
    )


def _issue(version: ReferenceVersion, item: reading.Unusable) -> ReferenceIssue:
    return ReferenceIssue(
        version=version,
        position=clean(item.position, 300),
        code=clean(item.code, 40),
        reason=clean(item.reason),
        remedy=clean(item.remedy),
        title=clean(item.title, 300),
    )
