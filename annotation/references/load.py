"""Import a file of spectra with structures as a new version of a reference collection."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Unpack

import numpy as np
from django.conf import settings
from django.db import transaction

from annotation.libraries.import_notes import ImportNotes, changed_structure
from annotation.libraries.import_options import (
    NAME_TAKEN,
    CannotImport,
    ImportedFile,
    ImportOptions,
    ShowProgress,
)
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
# Names of fields, the one that names a person first.
_CONTRIBUTORS = ("authors", "author", "submitter", "contributor", "pi", "datacollector")
_REPAIRED = "The spectrum was repaired, and is used."


class UnusableCollection(Exception):
    """The whole file is refused. The message is for the person who imports it."""


def import_references(name: str, path: Path, **options: Unpack[ImportOptions]) -> ReferenceVersion:
    """Add a version to the collection with the name. The version is READY, or FAILED with the reason.

    Earlier versions stay. Raises CannotImport if a collection of another project has the name, or the
    collection of accepted spectra, and ImportStopped if the caller does.
    """
    file = ImportedFile.of(path, **options)
    collection, _ = ReferenceCollection.objects.get_or_create(name=name, defaults=file.of_owner)
    if collection.project != file.project or collection.is_accepted:
        raise CannotImport(NAME_TAKEN.format(name=name))
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    fields = {"source_sha256": digest, **file.of_version}
    try:
        with transaction.atomic():
            version = store.new_version(collection, file.user, **fields)
            spectra = _StoredSpectra(version, file.file_name)
            counts = read_spectra(path, spectra, file.progress)
            version.n_found, version.n_rejected = counts.n_found, counts.n_rejected
            version.import_notes = counts.notes.rows()
            store.complete(version)
            file.on_ready(version)
            return version
    except UnusableCollection as refusal:
        with transaction.atomic():
            failed = ReferenceVersion.State.FAILED
            return store.new_version(
                collection, file.user, state=failed, failure=clean(str(refusal)), **fields
            )


class Spectra(Protocol):
    """What happens with the spectra of a file: they are stored, or only counted."""

    def add(self, references: Sequence[reading.Reference]) -> None: ...
    def reject(self, item: reading.Unusable) -> None: ...


@dataclass(slots=True)
class SpectrumCounts:
    """What was found in a file."""

    n_spectra: int = 0
    n_rejected: int = 0
    n_changed: int = 0  # spectra that are used, whose structure or peaks were changed
    first_issue: str = ""
    notes: ImportNotes = field(default_factory=ImportNotes)

    @property
    def n_found(self) -> int:
        return self.n_spectra + self.n_rejected


def read_spectra(path: Path, target: Spectra, progress: ShowProgress) -> SpectrumCounts:
    """Read the whole file in the bounded child process, and pass its spectra on.

    `progress` gets the number of usable spectra. Raises UnusableCollection.
    """
    counts = SpectrumCounts()
    references: list[reading.Reference] = []

    def pass_on() -> None:
        target.add(references)
        counts.n_spectra += len(references)
        references.clear()
        progress(counts.n_spectra)

    is_repaired = False
    for item in _read(path):
        if isinstance(item, reading.Repaired):
            counts.notes.add(item.code, _REPAIRED, f"{item.position}: {item.reason}")
            is_repaired = True
        elif isinstance(item, reading.Reference):
            _note(counts.notes, item)
            counts.n_changed += is_repaired or bool(item.molecule.notes)
            is_repaired = False
            references.append(item)
            if len(references) >= store.SPECTRA_AT_ONCE:
                pass_on()
        else:
            counts.n_rejected += 1
            counts.first_issue = counts.first_issue or f"{item.position}: {item.reason}"
            target.reject(item)
    pass_on()
    if not counts.n_spectra:
        first = f" The first issue: {counts.first_issue}" if counts.first_issue else ""
        raise UnusableCollection(
            f"None of its {counts.n_rejected:,} spectra can be a reference. Each needs peaks, precursor "
            f"m/z, adduct and structure.{first}"
        )
    return counts


def _note(notes: ImportNotes, item: reading.Reference) -> None:
    position, molecule = f"spectrum {item.source_index + 1:,}", item.molecule
    for code in molecule.notes:
        example = changed_structure(position, molecule.drawn_smiles, molecule.smiles)
        notes.add(code, NOTE_TEXTS[code], example)


class _StoredSpectra:
    """Stores the spectra in one version."""

    def __init__(self, version: ReferenceVersion, file_name: str) -> None:
        self.version = version
        self.file_name = file_name
        self.issues: list[ReferenceIssue] = []  # not stored yet
        self.n_issues = 0

    def add(self, references: Sequence[reading.Reference]) -> None:
        rows = ((_row(reference, self.file_name), reference.molecule) for reference in references)
        for _ in store.add_spectra(self.version, rows):
            pass
        ReferenceIssue.objects.bulk_create(self.issues)
        self.issues.clear()

    def reject(self, item: reading.Unusable) -> None:
        self.n_issues += 1
        if self.n_issues <= MAX_STORED_ISSUES:
            self.issues.append(_issue(self.version, item))


def _read(path: Path) -> Iterator[reading.Reference | reading.Unusable | reading.Repaired]:
    """The items of the file, read in the bounded child process. Raises UnusableCollection."""
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
                raise UnusableCollection(item.reason)
            yield item
    except IsolationError as error:
        reason = f"The file could not be read safely: {error} Split it into smaller files."
        raise UnusableCollection(reason) from error


def _row(item: reading.Reference, file_name: str) -> ReferenceSpectrum:
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
        contributor=clean(_contributor(spectrum.metadata), 300),
        origin=clean(f"{file_name}, spectrum {item.source_index + 1}", 500),
        n_peaks=spectrum.n_peaks,
        mz_bytes=np.asarray(spectrum.mz, dtype="<f8").tobytes(),
        intensity_bytes=np.asarray(spectrum.intensity, dtype="<f8").tobytes(),
        splash=item.splash,
    )


def _contributor(metadata: Mapping[str, str]) -> str:
    """Who measured or submitted the spectrum, in the words of MassBank, GNPS, MoNA or NIST."""
    stated = {name.casefold(): text for name, text in metadata.items()}
    return next((stated[name] for name in _CONTRIBUTORS if stated.get(name)), "")


def _issue(version: ReferenceVersion, item: reading.Unusable) -> ReferenceIssue:
    return ReferenceIssue(
        version=version,
        position=clean(item.position, 300),
        code=clean(item.code, 40),
        reason=clean(item.reason),
        remedy=clean(item.remedy),
        title=clean(item.title, 300),
    )
