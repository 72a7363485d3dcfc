"""What the page of one annotation shows, loaded in a fixed number of queries.

`load_page` loads the whole page. `spectrum_panel` loads the part that changes with the candidate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.http import QueryDict
from django.urls import reverse

from annotation.references.matches import Match
from annotation.results.families import Family, find_families
from annotation.results.models import Annotation, Candidate, FormulaCandidate, GeneratedMolecule
from annotation.results.probability_words import probability_words
from annotation.results.reference_matches import matches_of
from annotation.review.models import Verdict
from annotation.spectra.models import Feature
from annotation.web.evidence import Channel, EvidenceRow, evidence_table, list_channels
from annotation.web.mirror import reference_choice
from annotation.web.peak_explanations import explanations_by
from annotation.web.spectrum_panel import (
    CandidateRow,
    SpectrumPanel,
    choose,
    load_candidates,
    panel_of,
    with_entries,
)
from annotation.web.spectrum_plot_data import plot_data
from models_ml.molecules.fingerprint import morgan_fingerprint, tanimoto
from models_ml.molecules.formula import without_charge
from models_ml.molecules.structure_text import parse_structure


@dataclass(frozen=True)
class ListRow(CandidateRow):
    """A candidate as the table shows it."""

    evidence: list[EvidenceRow]  # of the feature, by channel
    family: Family | None


@dataclass(frozen=True)
class MatchRow:
    match: Match
    candidate: Candidate | None  # with the molecule of the reference spectrum

    @property
    def mirror(self) -> str:
        """The choice of the mirror plot that shows it."""
        return reference_choice(self.match.reference)


@dataclass(frozen=True)
class FormulaRow:
    formula: FormulaCandidate
    n_candidates: int  # of the list that have this formula


@dataclass(frozen=True)
class ProposalRow:
    """A molecule outside the library that fits the precursor, with its evidence. Never ranked."""

    molecule: GeneratedMolecule
    explained_percent: float | None  # of the intensity, as beside the plot
    n_explained: int
    formula: FormulaCandidate | None  # its formula among the formula candidates
    tanimoto: float | None  # to rank 1

    @property
    def picture(self) -> str:
        return reverse("generated-svg", args=[self.molecule.annotation.public_id, self.molecule.beam_rank])


@dataclass(frozen=True)
class AnnotationPage:
    panel: SpectrumPanel
    rows: list[ListRow]
    channels: list[Channel]
    confidence_words: str
    verdicts: list[Verdict]  # latest first
    matches: list[MatchRow]
    formulas: list[FormulaRow]
    generated: list[GeneratedMolecule]
    proposals: list[ProposalRow]
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


def load_page(annotation: Annotation, query: QueryDict) -> AnnotationPage:
    """At most eight queries; three more for a feature of several spectra, one for a mirrored reference."""
    candidates = load_candidates(annotation, with_fingerprints=True)
    rows = with_entries(annotation, candidates)
    verdicts = _verdicts(annotation)
    reviewed = verdicts[0].candidate if verdicts else None
    chosen = choose(candidates, query.get("candidate"), reviewed.rank if reviewed else 1)
    row_by_rank = {row.rank: row for row in rows}
    formulas = _formulas(annotation, candidates)
    generated = list(annotation.generated.order_by("beam_rank"))
    return AnnotationPage(
        panel=panel_of(annotation, candidates, row_by_rank[chosen.rank] if chosen else None, query),
        rows=_list_rows(rows, candidates),
        channels=list_channels(candidates),
        confidence_words=confidence_words(annotation),
        verdicts=verdicts,
        matches=_matches(annotation, candidates),
        formulas=formulas,
        generated=generated,
        proposals=_proposals(annotation, generated, formulas, candidates),
        n_spectra=annotation.job.items.count(),
    )


def confidence_words(annotation: Annotation) -> str:
    """The first words of the page. `probability_words` puts the number into words."""
    words = probability_words(annotation)
    if annotation.n_candidates == 0:
        return "No candidate"
    if not words:
        return "Ranked, without probabilities"
    if annotation.n_candidates == 1:
        return words.capitalize()
    return f"Possibly none of these. Rank 1: {words}" if annotation.abstains else f"Rank 1: {words}"


def isotope_rows(feature: Feature) -> list[tuple[float, float]]:
    """m/z and share of the strongest peak, from 0 to 1."""
    strongest = max(feature.isotope_intensity, default=0.0)
    if not strongest:
        return []
    pairs = zip(feature.isotope_mz, feature.isotope_intensity, strict=True)
    return [(mz, intensity / strongest) for mz, intensity in pairs]


def _list_rows(rows: Sequence[CandidateRow], candidates: Sequence[Candidate]) -> list[ListRow]:
    evidence, families = evidence_table(candidates), find_families(candidates)
    return [
        ListRow(row.candidate, row.entry, row.like, evidence[row.rank], families.get(row.rank))
        for row in rows
    ]


def _matches(annotation: Annotation, candidates: Sequence[Candidate]) -> list[MatchRow]:
    """The most similar reference spectra of the same precursor. One query, none without a collection."""
    by_molecule = {candidate.molecule_id: candidate for candidate in candidates}
    return [MatchRow(match, by_molecule.get(match.reference.molecule_id)) for match in matches_of(annotation)]


def _formulas(annotation: Annotation, candidates: Sequence[Candidate]) -> list[FormulaRow]:
    """By rank. One query. Formula candidates name no charge, but permanent ions of the list do."""
    counts = Counter(without_charge(candidate.molecule.formula) for candidate in candidates)
    return [FormulaRow(row, counts[row.formula]) for row in annotation.formulas.order_by("rank")]


def _proposals(
    annotation: Annotation,
    generated: Sequence[GeneratedMolecule],
    formulas: Sequence[FormulaRow],
    candidates: Sequence[Candidate],
) -> list[ProposalRow]:
    """Generated molecules outside the library that fit the precursor, most likely first, each once."""
    first_by_key: dict[str, GeneratedMolecule] = {}
    for molecule in generated:
        if molecule.is_proposed:
            molecule.annotation = annotation
            first_by_key.setdefault(molecule.inchikey_first_block, molecule)
    formula_by_text = {row.formula.formula: row.formula for row in formulas}
    best = bytes(candidates[0].molecule.fingerprint) if candidates else None
    return [
        _proposal(annotation, molecule, formula_by_text.get(without_charge(molecule.formula)), best)
        for molecule in first_by_key.values()
    ]


def _proposal(
    annotation: Annotation, molecule: GeneratedMolecule, formula: FormulaCandidate | None, best: bytes | None
) -> ProposalRow:
    explanations = explanations_by(annotation, molecule.smiles, molecule.formula)
    plot = plot_data(annotation.spectrum, explanations)
    own = morgan_fingerprint(parse_structure(molecule.smiles))
    return ProposalRow(
        molecule=molecule,
        explained_percent=plot.explained_percent,
        n_explained=plot.n_explained,
        formula=formula,
        tanimoto=tanimoto(own, best) if best else None,
    )


def _verdicts(annotation: Annotation) -> list[Verdict]:
    """Latest first. One query."""
    return list(
        annotation.verdicts.select_related("decided_by", "candidate__molecule")
        .defer("candidate__molecule__fingerprint")
        .order_by("-id")
    )
