"""Everything that the page of one annotation shows, gathered in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from annotation.libraries.models import LibraryEntry
from annotation.references.matches import Match
from annotation.results.models import Annotation, Candidate, GeneratedMolecule
from annotation.results.reference_matches import matches_of
from annotation.review.models import Verdict
from annotation.web.evidence import EvidenceRow, evidence_rows
from annotation.web.explained import explain
from annotation.web.plot import Plot, draw


@dataclass(frozen=True)
class CandidateRow:
    candidate: Candidate
    entry: LibraryEntry | None  # the molecule's place in the job's library version

    @property
    def rank(self) -> int:
        return self.candidate.rank

    @property
    def label(self) -> str:
        """Its name in the library, else its key."""
        name = (self.entry.name or self.entry.source_id) if self.entry else ""
        return name or self.candidate.molecule.inchikey_first_block

    @property
    def moved(self) -> int:
        """Places won (positive) or lost between the pre-retrieval and the final list."""
        return self.candidate.retrieval_rank - self.candidate.rank

    @property
    def places(self) -> int:
        return abs(self.moved)


@dataclass(frozen=True)
class Neighbours:
    number: int  # of this spectrum in the job, from 1
    total: int
    previous: UUID | None
    next: UUID | None


def candidate_rows(annotation: Annotation) -> list[CandidateRow]:
    """Two queries."""
    candidates = list(
        annotation.candidates.select_related("molecule").defer("molecule__fingerprint").order_by("rank")
    )
    entries = LibraryEntry.objects.filter(
        version_id=annotation.job.library_version_id, molecule__in=[c.molecule_id for c in candidates]
    )
    by_molecule = {entry.molecule_id: entry for entry in entries}
    return [CandidateRow(c, by_molecule.get(c.molecule_id)) for c in candidates]


def chosen_row(
    rows: Sequence[CandidateRow], asked: str | None, verdict: Verdict | None
) -> CandidateRow | None:
    """The candidate to look at: the one asked for, else the one a curator took, else rank 1."""
    rank = int(asked) if asked and asked.isdecimal() and len(asked) < 6 else None
    if rank is None and verdict is not None and verdict.candidate is not None:
        rank = verdict.candidate.rank
    return next((row for row in rows if row.rank == rank), rows[0] if rows else None)


def neighbours(annotation: Annotation) -> Neighbours:
    """The annotated spectra before and after this one in its job. Three queries."""
    others = Annotation.objects.filter(job_id=annotation.job_id).values_list("public_id", flat=True)
    position = annotation.item.position
    before = others.filter(item__position__lt=position).order_by("-item__position")
    after = others.filter(item__position__gt=position).order_by("item__position")
    return Neighbours(position + 1, annotation.job.items.count(), before.first(), after.first())


@dataclass(frozen=True)
class MatchRow:
    match: Match
    candidate: CandidateRow | None  # of the reference's molecule


def match_rows(annotation: Annotation, rows: Sequence[CandidateRow]) -> list[MatchRow]:
    """The most similar reference spectra of the same precursor. One query, if the job names a collection."""
    by_molecule = {row.candidate.molecule_id: row for row in rows}
    return [MatchRow(match, by_molecule.get(match.reference.molecule_id)) for match in matches_of(annotation)]


def evidence_of(chosen: CandidateRow | None, rows: Sequence[CandidateRow]) -> list[EvidenceRow]:
    return evidence_rows(chosen.candidate, [row.candidate for row in rows]) if chosen else []


def proposals(generated: Sequence[GeneratedMolecule]) -> list[GeneratedMolecule]:
    """Molecules beyond the library that fit the precursor, likeliest first, each once."""
    once: dict[str, GeneratedMolecule] = {}
    for molecule in generated:
        if molecule.is_proposed:
            once.setdefault(molecule.inchikey_first_block, molecule)
    return list(once.values())


def plot_of(annotation: Annotation, row: CandidateRow | None) -> Plot:
    return draw(annotation.spectrum, explain(annotation, row.candidate) if row else None)


def verdicts_of(annotation: Annotation) -> list[Verdict]:
    """Latest first, so the current one is at the head."""
    return list(
        annotation.verdicts.select_related("decided_by", "candidate__molecule")
        .defer("candidate__molecule__fingerprint")
        .order_by("-id")
    )


def page_context(annotation: Annotation, asked_rank: str | None) -> dict[str, Any]:
    rows = candidate_rows(annotation)
    verdicts = verdicts_of(annotation)
    current = verdicts[0] if verdicts else None
    chosen = chosen_row(rows, asked_rank, current)
    generated: list[GeneratedMolecule] = list(annotation.generated.order_by("beam_rank"))
    return {
        "annotation": annotation,
        "spectrum": annotation.spectrum,
        "job": annotation.job,
        "rows": rows,
        "chosen": chosen,
        "has_probabilities": any(row.candidate.probability is not None for row in rows),
        "evidence": evidence_of(chosen, rows),
        "plot": plot_of(annotation, chosen),
        "proposed": proposals(generated),
        "matches": match_rows(annotation, rows),
        "generated": generated,
        "n_valid": sum(bool(molecule.smiles) for molecule in generated),
        "verdicts": verdicts,
        "current": current,
        "neighbours": neighbours(annotation),
    }
