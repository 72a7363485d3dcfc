"""The check of a file: read it with the code of the import, store nothing, and report what it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from annotation.imports.checked_molecules import CheckedMolecules, checked_molecules
from annotation.imports.findings import MAX_PREVIEW, PreviewRow, Rejections, Report
from annotation.imports.models import VersionImport
from annotation.libraries.load import read_rows
from annotation.libraries.models import LibraryVersion
from annotation.plain_text import clean
from annotation.references import reading
from annotation.references.load import read_spectra
from annotation.references.models import ReferenceVersion
from models_ml.molecules.readers import StandardRow, StructureIssue

Progress = Callable[[int], object]


def check(row: VersionImport, path: Path, rejected: Path, progress: Progress) -> Report:
    """The report of the file. Writes all rejections to the path `rejected`.

    Raises UnreadableFile or UnusableCollection if no row or spectrum can be used.
    """
    with rejected.open("w", encoding="utf-8", newline="") as stream, checked_molecules() as molecules:
        if row.kind == VersionImport.Kind.LIBRARY:
            return _check_library(row, path, stream, molecules, progress)
        return _check_references(row, path, stream, molecules, progress)


def newest_version(row: VersionImport) -> LibraryVersion | ReferenceVersion | None:
    """The newest ready version of the library or collection, if the owner of the import has it. One query.

    Another project may have taken the name since. Its molecules must not show in the report.
    """
    if row.kind == VersionImport.Kind.LIBRARY:
        libraries = LibraryVersion.objects.ready().filter(library__name=row.name)
        return libraries.filter(library__project=row.project).order_by("-number").first()
    collections = ReferenceVersion.objects.ready().filter(collection__name=row.name)
    return collections.filter(collection__project=row.project).order_by("-number").first()


class _CheckedRows:
    def __init__(self, molecules: CheckedMolecules, rejections: Rejections) -> None:
        self.molecules = molecules
        self.rejections = rejections
        self.preview: list[PreviewRow] = []

    def add(self, rows: Sequence[StandardRow], issues: Sequence[StructureIssue]) -> int:
        for issue in issues:
            self.rejections.add(issue.position, issue.code, issue.reason, issue.remedy, issue.source_id)
        for row in rows[: MAX_PREVIEW - len(self.preview)]:
            molecule = row.molecule
            name = clean(row.name or row.source_id, 200)
            self.preview.append(
                PreviewRow(row.position, name, molecule.formula, molecule.smiles, molecule.exact_mass)
            )
        return self.molecules.add(row.molecule.inchikey_first_block for row in rows)


def _check_library(
    row: VersionImport, path: Path, stream: TextIO, molecules: CheckedMolecules, progress: Progress
) -> Report:
    rows = _CheckedRows(molecules, Rejections(stream))
    counts = read_rows(path, rows, progress)
    n_shared, n_before, number = _compare(row, molecules)
    return Report(
        n_read=counts.n_rows,
        n_accepted=counts.n_rows - counts.n_rejected,
        n_merged=counts.n_merged,
        n_molecules=counts.n_molecules,
        n_changed=counts.n_changed,
        n_rejected=counts.n_rejected,
        n_added=counts.n_molecules - n_shared,
        n_removed=n_before - n_shared,
        compared_with=number,
        notes=counts.notes.rows(),
        rejections=rows.rejections.most_frequent_first(),
        preview=rows.preview,
    )


class _CheckedSpectra:
    def __init__(self, molecules: CheckedMolecules, rejections: Rejections) -> None:
        self.molecules = molecules
        self.rejections = rejections
        self.preview: list[PreviewRow] = []

    def add(self, references: Sequence[reading.Reference]) -> None:
        for item in references[: MAX_PREVIEW - len(self.preview)]:
            self.preview.append(
                PreviewRow(
                    position=f"spectrum {item.source_index + 1:,}",
                    name=clean(item.spectrum.title, 200),
                    formula=item.molecule.formula,
                    smiles=item.molecule.smiles,
                    mz=item.precursor_mz,
                    adduct=clean(item.adduct, 40),
                )
            )
        self.molecules.add(item.molecule.inchikey_first_block for item in references)

    def reject(self, item: reading.Unusable) -> None:
        self.rejections.add(item.position, item.code, item.reason, item.remedy, item.title)


def _check_references(
    row: VersionImport, path: Path, stream: TextIO, molecules: CheckedMolecules, progress: Progress
) -> Report:
    spectra = _CheckedSpectra(molecules, Rejections(stream))
    counts = read_spectra(path, spectra, progress)
    n_molecules = molecules.count()
    n_shared, n_before, number = _compare(row, molecules)
    return Report(
        n_read=counts.n_found,
        n_accepted=counts.n_spectra,
        n_merged=0,
        n_molecules=n_molecules,
        n_changed=counts.n_changed,
        n_rejected=counts.n_rejected,
        n_added=n_molecules - n_shared,
        n_removed=n_before - n_shared,
        compared_with=number,
        notes=counts.notes.rows(),
        rejections=spectra.rejections.most_frequent_first(),
        preview=spectra.preview,
    )


def _compare(row: VersionImport, molecules: CheckedMolecules) -> tuple[int, int, int | None]:
    """Molecules that the newest version shares with the file, its molecules, and its number. Two queries."""
    newest = newest_version(row)
    if newest is None:
        return 0, 0, None
    return molecules.count_shared(row.kind, newest.pk), newest.n_molecules, newest.number
