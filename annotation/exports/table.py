"""A job as a table: one row for each spectrum and rank, every row complete with its provenance.

A spectrum without candidates is a row too, with the reason, so that the table counts what the screen counts.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TextIO

from annotation.jobs.models import Job, JobItem
from annotation.results.compound_names import compound_names
from annotation.results.models import Annotation, Candidate
from annotation.results.proposed import proposed_smiles
from annotation.review.actions import latest_verdicts
from annotation.review.models import Verdict

# Spectra for each round of six queries: enough that queries cost little, few enough that memory stays flat.
SPECTRA_PER_ROUND = 500
# A spreadsheet runs what begins like this; a quote before it makes it text (OWASP, CSV injection).
FORMULA = re.compile(r"^[=+\-@\t\r\n]")

Cell = str | int | float | bool | datetime | tuple[str, ...] | dict[str, float] | None


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One candidate of one spectrum; the names of the fields are the names of the columns."""

    position: int
    external_id: str
    title: str
    state: str
    error_code: str
    error: str
    precursor_mz: float | None
    charge: int | None
    retention_time_s: float | None
    collision_energy: str
    adduct: str
    adduct_assumed: bool | None
    neutral_mass: float | None
    n_in_window: int | None
    n_candidates: int | None
    method: str
    p_right: float | None
    p_close: float | None
    p_absent: float | None
    abstains: bool | None
    proposed_smiles: tuple[str, ...]  # written by the model: outside the library, of the precursor's mass
    rank: int | None
    name: str
    smiles: str
    inchikey_first_block: str
    formula: str
    exact_mass: float | None
    mass_error_ppm: float | None
    retrieval_rank: int | None
    embedding_similarity: float | None
    generated_similarity: float | None
    probability: float | None
    evidence: dict[str, float] | None
    proposed_level: str
    verdict_decision: str
    verdict_smiles: str
    verdict_level: str
    verdict_by: str
    verdict_at: datetime | None
    verdict_reason: str
    verdict_comment: str
    annotation_id: str
    job_id: str
    job_external_id: str
    library: str
    library_version: int
    library_sha256: str
    references: str
    references_version: int | None
    references_sha256: str
    model: str
    checkpoint_sha256: str
    ranking_sha256: str
    params_sha256: str
    code_version: str
    rdkit_version: str
    preprocessing_version: str
    spectrum_license: str
    splash: str


COLUMNS = tuple(field.name for field in fields(ExportRow))
CANDIDATE_COLUMNS = COLUMNS[COLUMNS.index("rank") : COLUMNS.index("proposed_level")]
JOB_COLUMNS = COLUMNS[COLUMNS.index("job_id") : COLUMNS.index("code_version")]


def rows(job: Job, *, top: int = 1) -> Iterator[ExportRow]:
    """In the order of submission, then of rank. Six queries for every 500 spectra; memory does not grow."""
    reached = -1
    while items := _next_items(job, reached):
        yield from _rows_of(job, items, top)
        reached = items[-1].position


def stream_csv(job: Job, *, top: int = 1) -> Iterator[str]:
    """The table as CSV (RFC 4180, UTF-8 without a byte order mark), header first, many lines at a time."""
    return _csv_lines(rows(job, top=top))


def _csv_lines(table: Iterable[ExportRow]) -> Iterator[str]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for row in table:
        writer.writerow([safe(getattr(row, column)) for column in COLUMNS])
        if buffer.tell() > 64 * 1024:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def write_csv(job: Job, path: Path, *, top: int = 1) -> int:
    """The table as a file; the number of spectra in it. An interrupted export leaves no half file."""
    positions: set[int] = set()
    with _whole_or_nothing(path) as stream:
        stream.writelines(_csv_lines(_counted(rows(job, top=top), positions)))
    return len(positions)


def write_json(job: Job, path: Path, *, top: int = 1) -> int:
    """The same as JSON: the job once, then each spectrum with its candidates; written as it goes."""
    n_spectra = 0
    with _whole_or_nothing(path) as stream:
        shared: dict[str, Cell] = {}
        stream.write('{"spectra": [')
        for position, group in groupby(rows(job, top=top), key=lambda row: row.position):
            table = [asdict(row) for row in group]
            shared = {name: table[0][name] for name in JOB_COLUMNS}
            spectrum = {
                name: cell for name, cell in table[0].items() if name not in JOB_COLUMNS + CANDIDATE_COLUMNS
            }
            candidates = [{name: row[name] for name in CANDIDATE_COLUMNS} for row in table if row["rank"]]
            stream.write(",\n" if position and n_spectra else "\n")
            json.dump({**spectrum, "candidates": candidates}, stream, default=_as_text)
            n_spectra += 1
        about = {**shared, "name": job.name, "params": job.params, "submitted_at": job.created_at}
        stream.write(f'\n], "job": {json.dumps(about, default=_as_text)}}}\n')
    return n_spectra


def csv_name(job: Job) -> str:
    """A file name that says which job it is, on any file system."""
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", job.name).strip("-.")[:60]
    return f"{words or 'job'}-{job.public_id.hex[:8]}.csv"


def safe(cell: Cell) -> str:
    """As CSV: nothing for None, ISO time, JSON for names with numbers, no text that a spreadsheet runs."""
    match cell:
        case None:
            return ""
        case str():
            return f"'{cell}" if FORMULA.match(cell) else cell
        case bool():
            return "true" if cell else "false"
        case datetime():
            return cell.isoformat(timespec="seconds")
        case tuple():
            return safe(" ".join(cell))
        case dict():
            return safe(json.dumps(cell, sort_keys=True)) if cell else ""
        case _:
            return repr(cell)


def _next_items(job: Job, after: int) -> list[JobItem]:
    items = JobItem.objects.filter(job=job, position__gt=after).order_by("position")
    # Peaks are most of a spectrum's bytes, and no column shows them.
    unseen = ("spectrum__mz_bytes", "spectrum__intensity_bytes", "spectrum__metadata")
    return list(items.select_related("spectrum", "annotation").defer(*unseen)[:SPECTRA_PER_ROUND])


def _rows_of(job: Job, items: Sequence[JobItem], top: int) -> Iterator[ExportRow]:
    annotations = {item.pk: item.annotation for item in items if hasattr(item, "annotation")}
    ids = [annotation.pk for annotation in annotations.values()]
    ranked = list(
        Candidate.objects.filter(annotation_id__in=ids, rank__lte=top)
        .select_related("molecule")
        .order_by("annotation_id", "rank")
    )
    candidates = {pk: list(group) for pk, group in groupby(ranked, key=lambda one: one.annotation_id)}
    names = compound_names(job.library_version_id, [candidate.molecule_id for candidate in ranked])
    verdicts, proposed = latest_verdicts(ids), proposed_smiles(ids)
    for item in items:
        annotation = annotations.get(item.pk)
        own = candidates.get(annotation.pk, []) if annotation else []
        verdict = verdicts.get(annotation.pk) if annotation else None
        places: Sequence[Candidate | None] = own or [None]
        for candidate in places:
            name = names.get(candidate.molecule_id, "") if candidate else ""
            smiles = proposed.get(annotation.pk, ()) if annotation else ()
            yield _row(job, item, annotation, candidate, name, verdict, smiles)


def _row(
    job: Job,
    item: JobItem,
    annotation: Annotation | None,
    candidate: Candidate | None,
    name: str,
    verdict: Verdict | None,
    proposed_smiles: tuple[str, ...],
) -> ExportRow:
    spectrum, molecule = item.spectrum, candidate.molecule if candidate else None
    version, model, references = job.library_version, job.model_version, job.reference_version
    return ExportRow(
        position=item.position,
        external_id=spectrum.external_id,
        title=spectrum.title,
        state=item.state,
        error_code=item.error_code if annotation is None else "",
        error=item.error if annotation is None else "",
        precursor_mz=spectrum.precursor_mz,
        charge=spectrum.charge,
        retention_time_s=spectrum.retention_time_s,
        collision_energy=spectrum.collision_energy,
        adduct=annotation.adduct if annotation else spectrum.adduct,
        adduct_assumed=annotation.adduct_assumed if annotation else None,
        neutral_mass=annotation.neutral_mass if annotation else None,
        n_in_window=annotation.n_in_window if annotation else None,
        n_candidates=annotation.n_candidates if annotation else None,
        method=annotation.method if annotation else "",
        p_right=annotation.p_right if annotation else None,
        p_close=annotation.p_close if annotation else None,
        p_absent=annotation.p_absent if annotation else None,
        abstains=annotation.abstains if annotation else None,
        proposed_smiles=proposed_smiles,
        rank=candidate.rank if candidate else None,
        name=name,
        smiles=molecule.smiles if molecule else "",
        inchikey_first_block=molecule.inchikey_first_block if molecule else "",
        formula=molecule.formula if molecule else "",
        exact_mass=molecule.exact_mass if molecule else None,
        mass_error_ppm=candidate.mass_error_ppm if candidate else None,
        retrieval_rank=candidate.retrieval_rank if candidate else None,
        embedding_similarity=candidate.embedding_similarity if candidate else None,
        generated_similarity=candidate.generated_similarity if candidate else None,
        probability=candidate.probability if candidate else None,
        evidence=candidate.evidence if candidate else None,
        proposed_level=annotation.proposed_level if annotation else "",
        verdict_decision=verdict.decision if verdict else "",
        verdict_smiles=_decided_smiles(verdict),
        verdict_level=verdict.level if verdict else "",
        verdict_by=verdict.decided_by.username if verdict else "",
        verdict_at=verdict.decided_at if verdict else None,
        verdict_reason=verdict.reason if verdict else "",
        verdict_comment=verdict.comment if verdict else "",
        annotation_id=str(annotation.public_id) if annotation else "",
        job_id=str(job.public_id),
        job_external_id=job.external_id,
        library=version.library.name,
        library_version=version.number,
        library_sha256=version.content_sha256,
        references=references.collection.name if references else "",
        references_version=references.number if references else None,
        references_sha256=references.content_sha256 if references else "",
        model=model.name,
        checkpoint_sha256=model.checkpoint_sha256,
        ranking_sha256=model.ranking_sha256,
        params_sha256=job.params_sha256,
        code_version=annotation.code_version if annotation else "",
        rdkit_version=annotation.rdkit_version if annotation else "",
        preprocessing_version=annotation.preprocessing_version if annotation else "",
        spectrum_license=spectrum.license,
        splash=spectrum.splash,
    )


def _decided_smiles(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    return verdict.proposed_smiles or (verdict.candidate.molecule.smiles if verdict.candidate else "")


def _counted(table: Iterator[ExportRow], positions: set[int]) -> Iterator[ExportRow]:
    for row in table:
        positions.add(row.position)
        yield row


@contextmanager
def _whole_or_nothing(path: Path) -> Iterator[TextIO]:
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
