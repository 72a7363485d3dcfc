"""Record the outcomes of a batch: results and item states in one transaction, only for items still held."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from django.db import transaction

from annotation.jobs import ledger
from annotation.jobs.ledger import Batch, ClaimedItem
from annotation.jobs.models import JobItem
from annotation.results.models import Annotation, Candidate, GeneratedMolecule
from models_ml.outcomes import Annotated, CannotAnnotate, NoMatch, Outcome, RankedCandidate


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
    failed: int
    lost: int  # another worker holds or ended these items in the meantime; nothing was written for them


def finish(batch: Batch, outcomes: Sequence[Outcome], provenance: Provenance) -> Recorded:
    """Record the outcome of each item once. A second or late call writes nothing. One transaction."""
    with transaction.atomic():
        held = set(
            JobItem.objects.held(batch.items).select_for_update().order_by("pk").values_list("pk", flat=True)
        )
        current = [pair for pair in zip(batch.items, outcomes, strict=True) if pair[0].id in held]
        annotated = [(item, outcome) for item, outcome in current if isinstance(outcome, Annotated)]
        _write(batch, annotated, provenance)
        JobItem.objects.held(item for item, _ in annotated).end(
            JobItem.State.DONE, error_code="", error="", isolated=False
        )
        for item, outcome in current:
            if isinstance(outcome, CannotAnnotate | NoMatch):
                JobItem.objects.held([item]).end(
                    JobItem.State.FAILED, error_code=outcome.code[:40], error=outcome.reason
                )
        ledger.close_finished({item.job_id for item, _ in current})
    return Recorded(
        done=len(annotated), failed=len(current) - len(annotated), lost=len(batch.items) - len(current)
    )


def _write(batch: Batch, annotated: Sequence[tuple[ClaimedItem, Annotated]], provenance: Provenance) -> None:
    annotations = Annotation.objects.bulk_create(
        _annotation(item, outcome, batch.params.method, provenance) for item, outcome in annotated
    )
    written = list(zip(annotations, (outcome for _, outcome in annotated), strict=True))
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
            evidence=_finite(candidate.evidence),
        )
        for annotation, outcome in written
        for candidate in outcome.candidates
    )
    GeneratedMolecule.objects.bulk_create(
        GeneratedMolecule(annotation=annotation, **asdict(generated))
        for annotation, outcome in written
        for generated in outcome.generated
    )


def _finite(evidence: Mapping[str, float]) -> dict[str, float]:
    """Without channels that have no finite value, which JSON cannot hold."""
    return {name: float(value) for name, value in evidence.items() if math.isfinite(value)}


def _annotation(
    item: ClaimedItem, outcome: Annotated, requested_method: str, provenance: Provenance
) -> Annotation:
    best = outcome.candidates[0] if outcome.candidates else None
    confidence = outcome.confidence
    return Annotation(
        item_id=item.id,
        job_id=item.job_id,
        spectrum_id=item.spectrum_id,
        adduct=outcome.adduct,
        adduct_assumed=outcome.adduct_assumed,
        neutral_mass=outcome.neutral_mass,
        n_in_window=outcome.n_in_window,
        n_candidates=len(outcome.candidates),
        # Schymanski et al. 2014: candidates that only a computer ranked are tentative (level 3). Without
        # candidates, only the mass is known (level 5).
        proposed_level="3" if best else "5",
        method=_method(requested_method, best),
        p_right=confidence.p_right if confidence else None,
        p_close=confidence.p_close if confidence else None,
        p_absent=confidence.p_absent if confidence else None,
        abstains=confidence.abstains if confidence else None,
        top_molecule_id=best.key if best else None,
        top_generated_similarity=best.generated_similarity if best else None,
        top_embedding_similarity=best.embedding_similarity if best else None,
        margin=_margin(outcome.candidates),
        attempt=item.attempt,
        timings_s=dict(outcome.timings_s),
        **asdict(provenance),
    )


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
