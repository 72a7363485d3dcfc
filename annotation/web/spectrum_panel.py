"""The plot and the chosen candidate: the part of an annotation's page that another candidate replaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import QueryDict
from django.urls import reverse

from annotation.jobs.parameters import from_json
from annotation.libraries.models import LibraryEntry
from annotation.results.members import load_members, member_evidence
from annotation.results.models import Annotation, Candidate
from annotation.results.view import MemberView
from annotation.spectra.models import Spectrum
from annotation.spectra.records import to_exchange
from annotation.web.evidence import EvidenceRow, evidence_table
from annotation.web.mirror import Mirror, load_mirror
from annotation.web.peak_explanations import explanations_of
from annotation.web.spectrum_plot_data import SpectrumPlotData, plot_data
from models_ml.spectra.preprocess import read_indices


@dataclass(frozen=True)
class CandidateRow:
    candidate: Candidate
    entry: LibraryEntry | None  # of the molecule in the job's library version
    like: str  # first block of the InChIKey of rank 1, to which drawings are aligned

    @property
    def rank(self) -> int:
        return self.candidate.rank

    @property
    def label(self) -> str:
        """The molecule's name or ID in the library, else the first block of its InChIKey."""
        name = (self.entry.name or self.entry.source_id) if self.entry else ""
        return name or self.candidate.molecule.inchikey_first_block

    @property
    def picture(self) -> str:
        """Aligned to rank 1, with the atoms that differ from it marked."""
        url = reverse("molecule-svg", args=[self.candidate.molecule.inchikey_first_block])
        return f"{url}?like={self.like}"

    @property
    def picture_alt(self) -> str:
        differs = "" if self.rank == 1 else ", parts that differ from rank 1 are marked"
        return f"Structure of {self.label}, {self.candidate.molecule.formula}{differs}"

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
class PlotChoice:
    """What the plot shows besides the candidate, as the address of the page states it."""

    member: str  # source index of a spectrum of the feature; "": the representative
    peaks: str  # "read": only those that the networks read; "": all
    mirror: str  # see `mirror.load_mirror`; "": none

    @classmethod
    def of(cls, query: QueryDict) -> PlotChoice:
        return cls(*(query.get(name, "") for name in ("member", "peaks", "mirror")))


@dataclass(frozen=True)
class SpectrumPanel:
    choice: PlotChoice
    chosen: CandidateRow | None  # None: the annotation has no candidate
    evidence: list[EvidenceRow]  # for the chosen candidate
    plot: SpectrumPlotData
    mirror: Mirror | None
    tolerance_ppm: float  # of the job
    members: list[MemberRow]  # empty for a feature with one spectrum
    shown: MemberView | None  # whose peaks are drawn; None: the only spectrum
    is_by_member: bool  # the evidence is that of the shown spectrum alone, not that of the feature


def load_panel(annotation: Annotation, query: QueryDict) -> SpectrumPanel:
    """At most three queries, whatever else the page shows.

    Three more for a feature of several spectra, one more for a mirrored reference spectrum.
    """
    candidates = load_candidates(annotation)
    chosen = choose(candidates, query.get("candidate"))
    rows = with_entries(annotation, [chosen] if chosen else [], first=candidates[0] if candidates else None)
    return panel_of(annotation, candidates, rows[0] if rows else None, query)


def load_candidates(annotation: Annotation, *, with_fingerprints: bool = False) -> list[Candidate]:
    """By rank, with their molecules. One query."""
    candidates = annotation.candidates.select_related("molecule")
    if not with_fingerprints:
        candidates = candidates.defer("molecule__fingerprint")
    return list(candidates.order_by("rank"))


def with_entries(
    annotation: Annotation, candidates: Sequence[Candidate], first: Candidate | None = None
) -> list[CandidateRow]:
    """The candidates with their entries in the job's library version. One query.

    `first`: rank 1, by default the first of `candidates`.
    """
    entries = LibraryEntry.objects.filter(
        version_id=annotation.job.library_version_id,
        molecule__in=[candidate.molecule_id for candidate in candidates],
    )
    entry_by_molecule = {entry.molecule_id: entry for entry in entries}
    best = first or (candidates[0] if candidates else None)
    like = best.molecule.inchikey_first_block if best else ""
    return [
        CandidateRow(candidate, entry_by_molecule.get(candidate.molecule_id), like)
        for candidate in candidates
    ]


def choose(candidates: Sequence[Candidate], requested: str | None, default_rank: int = 1) -> Candidate | None:
    """The candidate of the requested rank or InChIKey first block; rank 1 if there is none.

    None only without candidates.
    """
    first = candidates[0] if candidates else None
    if requested and requested.isalpha():
        by_key = (c for c in candidates if c.molecule.inchikey_first_block == requested)
        return next(by_key, first)
    is_rank = requested is not None and requested.isdecimal() and len(requested) < 6
    rank = int(requested) if is_rank and requested else default_rank
    return next((candidate for candidate in candidates if candidate.rank == rank), first)


def panel_of(
    annotation: Annotation, candidates: Sequence[Candidate], chosen: CandidateRow | None, query: QueryDict
) -> SpectrumPanel:
    """At most one query, for the spectrum that is explained; three more for a feature of several spectra.

    One more for a mirrored reference spectrum.
    """
    choice = PlotChoice.of(query)
    members = load_members(annotation) if annotation.item.feature.n_members > 1 else ()
    requested = next((m for m in members if str(m.source_index) == choice.member), None)
    shown = requested or next((m for m in members if m.is_representative), None)
    spectrum = annotation.spectrum
    if shown is not None and not shown.is_representative:
        spectrum = Spectrum.objects.get(upload=spectrum.upload_id, source_index=shown.source_index)
    by_member = member_evidence(annotation, spectrum.pk) if requested else {}
    explanations = explanations_of(annotation, chosen.candidate, spectrum.pk) if chosen else None
    mirror = load_mirror(annotation, spectrum, chosen.candidate if chosen else None, choice.mirror)
    rank_by_key = {c.molecule.inchikey_first_block: c.rank for c in candidates}
    return SpectrumPanel(
        choice=choice,
        chosen=chosen,
        evidence=evidence_table(candidates, by_member or None)[chosen.rank] if chosen else [],
        plot=plot_data(
            spectrum,
            explanations,
            only=read_indices(to_exchange(spectrum)) if choice.peaks == "read" else None,
            matched=mirror.matched if mirror else (),
        ),
        mirror=mirror,
        members=[MemberRow(member, rank_by_key.get(member.top_inchikey_first_block)) for member in members],
        shown=shown,
        is_by_member=bool(by_member),
        tolerance_ppm=from_json(annotation.job.params).precursor_tolerance_ppm,
    )
