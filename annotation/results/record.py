"""Record the outcomes of a batch: results and item states in one transaction, only for items still held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from django.db import transaction
from django.db.models import Case, Value, When

from annotation.jobs import ledger
from annotation.jobs.ledger import Batch, ClaimedItem
from annotation.jobs.models import JobItem
from annotation.libraries.patterns import store_patterns
from annotation.references.matches import Comparison, Question, compare_rank_1
from annotation.results.members import finite, members_to_json
from annotation.results.models import Annotation, Candidate, FormulaCandidate, GeneratedMolecule
from models_ml.outcomes import Annotated, CannotAnnotate, NoMatch, Outcome, RankedCandidate

Answer = Annotated | NoMatch
UNEQUIVOCAL = 0.9  # least probability of a formula that is proposed at level 4


@dataclass(frozen=True, slots=True)
class Provenance:
    """The software and the worker that computed a result. The field names are those of `Annotation`."""

    code_version: str
    rdkit_version: str
    torch_version: str
    preprocessing_version: str
    device: str
    worker: str


@dataclass(frozen=True, slots=True)
class Recorded:
    done: int
    no_match: int
    unusable: int
    lost: int  # another worker holds or ended these items in the meantime; nothing was written for them


def finish(batch: Batch, outcomes: Sequence[Outcome], provenance: Provenance) -> Recorded:
    """Record the outcome of each item once. A second or late call writes nothing. One transaction."""
    comparisons = _compare_with_references(batch, outcomes)
    with transaction.atomic():
        held = set(
            JobItem.objects.held(batch.items).select_for_update().order_by("pk").values_list("pk", flat=True)
        )
        current = [pair for pair in zip(batch.items, outcomes, strict=True) if pair[0].id in held]
        answers = [(item, outcome) for item, outcome in current if not isinstance(outcome, CannotAnnotate)]
        _write(batch, answers, comparisons, provenance)
        annotated = [item for item, outcome in answers if isinstance(outcome, Annotated)]
        JobItem.objects.held(annotated).end(JobItem.State.DONE, error_code="", error="", isolated=False)
        _end(JobItem.State.NO_MATCH, [pair for pair in answers if isinstance(pair[1], NoMatch)])
        _end(JobItem.State.UNUSABLE, [pair for pair in current if isinstance(pair[1], CannotAnnotate)])
        ledger.close_finished({item.job_id for item, _ in current})
    store_patterns({molecule.key for _, outcome in answers for molecule in _candidates(outcome)[:1]})
    return Recorded(
        done=len(annotated),
        no_match=len(answers) - len(annotated),
        unusable=len(current) - len(answers),
        lost=len(batch.items) - len(current),
    )


def _end(state: JobItem.State, ended: Sequence[tuple[ClaimedItem, Outcome]]) -> None:
    """End the items with the code and the reason of each. At most one query."""
    reasons = [(item.id, outcome) for item, outcome in ended if not isinstance(outcome, Annotated)]
    if reasons:
        JobItem.objects.held([item for item, _ in ended]).end(
            state,
            error_code=Case(*(When(pk=pk, then=Value(outcome.code[:40])) for pk, outcome in reasons)),
            error=Case(*(When(pk=pk, then=Value(outcome.reason)) for pk, outcome in reasons)),
            isolated=False,
        )


def _compare_with_references(batch: Batch, outcomes: Sequence[Outcome]) -> dict[int, Comparison]:
    """What the references of the job say about each rank 1, by item. At most one query."""
    if batch.reference_version_id is None:
        return {}
    pairs = [
        (item, outcome)
        for item, outcome in zip(batch.items, outcomes, strict=True)
        if not isinstance(outcome, CannotAnnotate)
    ]
    questions = [
        Question(
            item.feature.members[item.feature.representative],
            outcome.adduct,
            next((candidate.key for candidate in _candidates(outcome)), None),
        )
        for item, outcome in pairs
    ]
    found = compare_rank_1(batch.reference_version_id, questions, batch.params.precursor_tolerance_ppm)
    return {item.id: known for (item, _), known in zip(pairs, found, strict=True) if known is not None}


def _write(
    batch: Batch,
    answers: Sequence[tuple[ClaimedItem, Answer]],
    comparisons: Mapping[int, Comparison],
    provenance: Provenance,
) -> None:
    annotations = Annotation.objects.bulk_create(
        _annotation(item, outcome, batch.params.method, comparisons.get(item.id), provenance)
        for item, outcome in answers
    )
    written = list(zip(annotations, (outcome for _, outcome in answers), strict=True))
    Candidate.objects.bulk_create(
        Candidate(
            annotation=annotation,
            rank=candidate.rank,
            molecule_id=candidate.key,
            mass_error_ppm=candidate.mass_error_ppm,
            retrieval_rank=candidate.retrieval_rank,
            embedding_similarity=candidate.embedding_similarity,
            generated_similarity=candidate.generated_similarity,
            probability=candidate.probability,
            evidence=finite(candidate.evidence),
        )
        for annotation, outcome in written
        for candidate in _candidates(outcome)
    )
    FormulaCandidate.objects.bulk_create(
        FormulaCandidate(annotation=annotation, **asdict(formula))
        for annotation, outcome in written
        for formula in outcome.formulas
    )
    GeneratedMolecule.objects.bulk_create(
        GeneratedMolecule(annotation=annotation, **asdict(generated))
        for annotation, outcome in written
        for generated in outcome.generated
    )


def _annotation(
    item: ClaimedItem,
    outcome: Answer,
    requested_method: str,
    comparison: Comparison | None,
    provenance: Provenance,
) -> Annotation:
    candidates = _candidates(outcome)
    best = candidates[0] if candidates else None
    confidence = outcome.confidence if isinstance(outcome, Annotated) else None
    return Annotation(
        item_id=item.id,
        job_id=item.job_id,
        spectrum_id=item.spectrum_id,
        adduct=outcome.adduct,
        adduct_assumed=outcome.adduct_assumed,
        adduct_from_ms1=item.adduct_from_ms1,
        members=members_to_json(outcome.members, item.member_ids, candidates),
        neutral_mass=outcome.neutral_mass,
        n_in_window=outcome.n_in_window if isinstance(outcome, Annotated) else 0,
        n_candidates=len(candidates),
        proposed_level=_level(outcome),
        formula_note=outcome.formula_note,
        method=_method(requested_method, best),
        p_right=confidence.p_right if confidence else None,
        p_close=confidence.p_close if confidence else None,
        p_absent=confidence.p_absent if confidence else None,
        abstains=confidence.abstains if confidence else None,
        top_molecule_id=best.key if best else None,
        top_generated_similarity=best.generated_similarity if best else None,
        top_embedding_similarity=best.embedding_similarity if best else None,
        margin=_margin(candidates),
        best_reference_id=comparison.best_reference_id if comparison else None,
        reference_similarity=comparison.similarity if comparison else None,
        reference_disagreement=comparison.disagreement if comparison else None,
        attempt=item.attempt,
        timings_s=dict(outcome.timings_s),
        **asdict(provenance),
    )


def _candidates(outcome: Answer) -> Sequence[RankedCandidate]:
    return outcome.candidates if isinstance(outcome, Annotated) else ()


def _level(outcome: Answer) -> str:
    """Schymanski et al. 2014: candidates that only a computer ranked are tentative (level 3).

    Without candidates, an unequivocal formula is level 4. Otherwise only the mass is known (level 5).
    """
    if _candidates(outcome):
        return "3"
    formula = outcome.formulas[0] if outcome.formulas else None
    return "4" if formula is not None and formula.probability >= UNEQUIVOCAL else "5"


def _method(requested: str, best: RankedCandidate | None) -> str:
    """The method that ranked. A model without a ranker answers `fused` with `glmr`, without probabilities."""
    return "glmr" if best is not None and best.probability is None else requested


def _margin(candidates: Sequence[RankedCandidate]) -> float | None:
    """Rank 1 minus rank 2 of the score that ranked them.

    That is the probability, else the similarity to the generated molecules, else the embedding similarity.
    """
    if len(candidates) < 2:
        return None
    first, second = candidates[0], candidates[1]
    if first.probability is not None and second.probability is not None:
        return first.probability - second.probability
    if first.generated_similarity is not None and second.generated_similarity is not None:
        return first.generated_similarity - second.generated_similarity
    return first.embedding_similarity - second.embedding_similarity
