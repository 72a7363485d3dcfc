"""What the page of one annotation shows, loaded in a fixed number of queries.

`load_panel` loads only the part that changes with the candidate; `load_page` loads the whole page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from annotation.jobs.parameters import from_json
from annotation.libraries.models import LibraryEntry
from annotation.references.matches import Match
from annotation.results.members import load_members, member_evidence
from annotation.results.models import Annotation, Candidate, FormulaCandidate, GeneratedMolecule
from annotation.results.reference_matches import matches_of
from annotation.results.view import MemberView
from annotation.review.models import Verdict
from annotation.spectra.models import Feature, Spectrum
from annotation.web.evidence import EvidenceRow, evidence_rows
from annotation.web.peak_explanations import explanations_of
from annotation.web.spectrum_plot_data import SpectrumPlotData, plot_data


@dataclass(frozen=True)
class CandidateRow:
    candidate: Candidate
    entry: LibraryEntry | None  # of the molecule in the job's library version

    @property
    def rank(self) -> int:
        return self.candidate.rank

    @property
    def label(self) -> str:
        """The molecule's name or ID in the library, else the first block of its InChIKey."""
        name = (self.entry.name or self.entry.source_id) if self.entry else ""
        return name or self.candidate.molecule.inchikey_first_block

    @property
    def rank_change(self) -> int:
        """Ranks gained (positive) or lost between the pre-retrieval and the final list."""
        return self.candidate.retrieval_rank - self.candidate.rank

    @property
    def ranks_moved(self) -> int:
        return abs(self.rank_change)


@dataclass(frozen=True)
class MemberRow:
    member: MemberView
    top_rank: int | None  # in the list of the feature, of the candidate that this spectrum ranks first


@dataclass(frozen=True)
class SpectrumPanel:
    """The plot and the chosen candidate: the part of the page that another candidate replaces."""

    chosen: CandidateRow | None  # None: the annotation has no candidate
    evidence: list[EvidenceRow]  # for the chosen candidate
    plot: SpectrumPlotData
    tolerance_ppm: float  # of the job
    members: list[MemberRow]  # empty for a feature with one spectrum
    shown: MemberView | None  # whose peaks are drawn; None: the only spectrum
    is_by_member: bool  # the evidence is that of the shown spectrum alone, not that of the feature


@dataclass(frozen=True)
class MatchRow:
    match: Match
    candidate: Candidate | None  # with the molecule of the reference spectrum


@dataclass(frozen=True)
class FormulaRow:
    formula: FormulaCandidate
    n_candidates: int  # of the list that have this formula


@dataclass(frozen=True)
class AnnotationPage:
    panel: SpectrumPanel
    rows: list[CandidateRow]
    verdicts: list[Verdict]  # latest first
    matches: list[MatchRow]
    formulas: list[FormulaRow]
    generated: list[GeneratedMolecule]
    n_spectra: int  # in the job

    @property
    def current_verdict(self) -> Verdict | None:
        return self.verdicts[0] if self.verdicts else None

    @property
    def has_isotopes(self) -> bool:
        return any(row.formula.isotope_similarity is not None for row in self.formulas)

    @property
    def has_probabilities(self) -> bool:
        return any(row.candidate.probability is not None for row in self.rows)

    @property
    def n_valid(self) -> int:
        return sum(bool(molecule.smiles) for molecule in self.generated)

    @property
    def proposals(self) -> list[GeneratedMolecule]:
        """Generated molecules outside the library that fit the precursor, most likely first, each once."""
        first_by_key: dict[str, GeneratedMolecule] = {}
        for molecule in self.generated:
            if molecule.is_proposed:
                first_by_key.setdefault(molecule.inchikey_first_block, molecule)
        return list(first_by_key.values())


def load_panel(
    annotation: Annotation, requested_rank: str | None, requested_member: str | None = None
) -> SpectrumPanel:
    """At most three queries, whatever else the page shows; three more for a feature of several spectra."""
    candidates = _candidates(annotation)
    chosen = _choose(candidates, requested_rank)
    rows = _with_entries(annotation, [chosen] if chosen else [])
    return _panel(annotation, candidates, rows[0] if rows else None, requested_member)


def load_page(
    annotation: Annotation, requested_rank: str | None, requested_member: str | None = None
) -> AnnotationPage:
    """At most eight queries; three more for a feature of several spectra."""
    candidates = _candidates(annotation)
    rows = _with_entries(annotation, candidates)
    verdicts = _verdicts(annotation)
    reviewed = verdicts[0].candidate if verdicts else None
    chosen = _choose(candidates, requested_rank, reviewed.rank if reviewed else 1)
    row_by_rank = {row.rank: row for row in rows}
    return AnnotationPage(
        panel=_panel(annotation, candidates, row_by_rank[chosen.rank] if chosen else None, requested_member),
        rows=rows,
        verdicts=verdicts,
        matches=_matches(annotation, candidates),
        formulas=_formulas(annotation, candidates),
        generated=list(annotation.generated.order_by("beam_rank")),
        n_spectra=annotation.job.items.count(),
    )


def isotope_rows(feature: Feature) -> list[tuple[float, float]]:
    """m/z and share of the strongest peak, from 0 to 1."""
    strongest = max(feature.isotope_intensity, default=0.0)
    if not strongest:
        return []
    pairs = zip(feature.isotope_mz, feature.isotope_intensity, strict=True)
    return [(mz, intensity / strongest) for mz, intensity in pairs]


def _candidates(annotation: Annotation) -> list[Candidate]:
    """By rank, with their molecules. One query."""
    candidates = annotation.candidates.select_related("molecule").defer("molecule__fingerprint")
    return list(candidates.order_by("rank"))


def _with_entries(annotation: Annotation, candidates: Sequence[Candidate]) -> list[CandidateRow]:
    """The candidates with their entries in the job's library version. One query."""
    entries = LibraryEntry.objects.filter(
        version_id=annotation.job.library_version_id,
        molecule__in=[candidate.molecule_id for candidate in candidates],
    )
    entry_by_molecule = {entry.molecule_id: entry for entry in entries}
    return [CandidateRow(candidate, entry_by_molecule.get(candidate.molecule_id)) for candidate in candidates]


def _choose(
    candidates: Sequence[Candidate], requested_rank: str | None, default_rank: int = 1
) -> Candidate | None:
    """The candidate of the requested rank; rank 1 if there is no such rank. None only without candidates."""
    is_rank = requested_rank is not None and requested_rank.isdecimal() and len(requested_rank) < 6
    rank = int(requested_rank) if is_rank and requested_rank else default_rank
    first = candidates[0] if candidates else None
    return next((candidate for candidate in candidates if candidate.rank == rank), first)


def _panel(
    annotation: Annotation,
    candidates: Sequence[Candidate],
    chosen: CandidateRow | None,
    requested_member: str | None,
) -> SpectrumPanel:
    """At most one query, for the spectrum that is explained; three more for a feature of several spectra."""
    members = load_members(annotation) if annotation.item.feature.n_members > 1 else ()
    requested = next((m for m in members if str(m.source_index) == requested_member), None)
    shown = requested or next((m for m in members if m.is_representative), None)
    spectrum = annotation.spectrum
    if shown is not None and not shown.is_representative:
        spectrum = Spectrum.objects.get(upload=spectrum.upload_id, source_index=shown.source_index)
    by_member = member_evidence(annotation, spectrum.pk) if requested else {}
    explanations = explanations_of(annotation, chosen.candidate, spectrum.pk) if chosen else None
    rank_by_key = {c.molecule.inchikey_first_block: c.rank for c in candidates}
    return SpectrumPanel(
        chosen=chosen,
        evidence=evidence_rows(chosen.candidate, candidates, by_member or None) if chosen else [],
        plot=plot_data(spectrum, explanations),
        members=[MemberRow(member, rank_by_key.get(member.top_inchikey_first_block)) for member in members],
        shown=shown,
        is_by_member=bool(by_member),
        tolerance_ppm=from_json(annotation.job.params).precursor_tolerance_ppm,
    )


def _matches(annotation: Annotation, candidates: Sequence[Candidate]) -> list[MatchRow]:
    """The most similar reference spectra of the same precursor. One query, none without a collection."""
    by_molecule = {candidate.molecule_id: candidate for candidate in candidates}
    return [MatchRow(match, by_molecule.get(match.reference.molecule_id)) for match in matches_of(annotation)]


def _formulas(annotation: Annotation, candidates: Sequence[Candidate]) -> list[FormulaRow]:
    """By rank. One query."""
    counts = Counter(candidate.molecule.formula for candidate in candidates)
    return [FormulaRow(row, counts[row.formula]) for row in annotation.formulas.order_by("rank")]


def _verdicts(annotation: Annotation) -> list[Verdict]:
    """Latest first. One query."""
    return list(
        annotation.verdicts.select_related("decided_by", "candidate__molecule")
        .defer("candidate__molecule__fingerprint")
        .order_by("-id")
    )
