"""Load results as views, for many features at once in a fixed number of queries. Verdicts are handed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from types import MappingProxyType

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.lookups import IsNull

from annotation.jobs.models import Job, JobItem
from annotation.results.compound_names import compound_names
from annotation.results.members import RAW_DATA
from annotation.results.models import Annotation, Candidate, FormulaCandidate, GeneratedMolecule
from annotation.results.view import (
    AnnotationView,
    CandidateView,
    FeatureView,
    FormulaView,
    GeneratedView,
    JobView,
    ResultView,
    RunView,
    SpectrumView,
    VerdictView,
)
from annotation.results.view_fields import from_row
from annotation.spectra.models import Feature

# Most of the bytes of a row, and no table shows them.
LEFT_OUT = (*RAW_DATA, "annotation__members")
NO_VERDICTS: Mapping[int, VerdictView] = MappingProxyType({})


def items_with_results(job: Job) -> QuerySet[JobItem]:
    """The items of a job, each with its feature, spectrum and annotation. Peaks stay in the database."""
    items = JobItem.objects.filter(job=job).select_related("feature", "spectrum__upload", "annotation")
    return items.defer(*LEFT_OUT)


def load_results(
    job: Job,
    items: Sequence[JobItem],
    *,
    top: int | None = None,
    with_ties: bool = False,
    all_generated: bool = False,
    verdicts: Mapping[int, VerdictView] = NO_VERDICTS,
) -> list[ResultView]:
    """The results of these items, in their order. Four queries, if `items` come from `items_with_results`.

    `top` limits the candidates of each feature; with `with_ties`, those with the same score as rank `top`
    are included. Without `all_generated`, only proposed molecules are loaded.
    `verdicts` maps annotation ids to their latest verdict.
    """
    annotations = {item.pk: item.annotation for item in items if hasattr(item, "annotation")}
    ids = [annotation.pk for annotation in annotations.values()]
    candidates = _candidates(job, ids, top, with_ties)
    formulas = _formulas(ids)
    generated = _generated(ids, all_generated)
    job_view = from_row(JobView, job)

    def view_of(annotation: Annotation) -> AnnotationView:
        pk = annotation.pk
        return annotation_view(
            annotation,
            candidates.get(pk, ()),
            generated.get(pk, ()),
            formulas.get(pk, ()),
            verdicts.get(pk),
        )

    return [
        from_row(
            ResultView,
            item,
            feature=feature_view(item.feature),
            spectrum=from_row(SpectrumView, item.spectrum),
            annotation=view_of(annotations[item.pk]) if item.pk in annotations else None,
            job=job_view,
        )
        for item in items
    ]


def candidate_view(annotation: Annotation, inchikey_first_block: str) -> CandidateView | None:
    """The candidate with this molecule; None if it is not in the list. Two queries."""
    rows = annotation.candidates.filter(molecule__inchikey_first_block=inchikey_first_block)
    row = rows.select_related("molecule").defer("molecule__fingerprint").first()
    if row is None:
        return None
    names = compound_names(annotation.job.library_version_id, [row.molecule_id])
    return from_row(CandidateView, row, name=names.get(row.molecule_id, ""))


def feature_view(feature: Feature) -> FeatureView:
    """No query."""
    return from_row(
        FeatureView,
        feature,
        isotope_mz=tuple(feature.isotope_mz),
        isotope_intensity=tuple(feature.isotope_intensity),
    )


def annotation_view(
    annotation: Annotation,
    candidates: Iterable[CandidateView],
    generated: Iterable[GeneratedView],
    formulas: Iterable[FormulaView],
    verdict: VerdictView | None = None,
) -> AnnotationView:
    """No query."""
    generated, formulas = tuple(generated), tuple(formulas)
    return from_row(
        AnnotationView,
        annotation,
        candidates=tuple(candidates),
        formulas=formulas,
        best_formula=formulas[0].formula if formulas else "",
        best_formula_probability=formulas[0].probability if formulas else None,
        generated=generated,
        proposed_smiles=_proposed_smiles(generated),
        verdict=verdict,
        run=from_row(RunView, annotation),
    )


def _candidates(
    job: Job, ids: Sequence[int], top: int | None, with_ties: bool
) -> dict[int, list[CandidateView]]:
    """By annotation, in the order of their ranks. Two queries."""
    ranked = Candidate.objects.filter(annotation_id__in=ids).select_related("molecule")
    if top is not None:
        within = Q(rank__lte=top)
        ranked = ranked.filter(within | Q(Exists(_tied_last(top))) if with_ties else within)
    rows = list(ranked.defer("molecule__fingerprint").order_by("annotation_id", "rank"))
    names = compound_names(job.library_version_id, [row.molecule_id for row in rows])
    return {
        pk: [from_row(CandidateView, row, name=names.get(row.molecule_id, "")) for row in group]
        for pk, group in groupby(rows, key=attrgetter("annotation_id"))
    }


def _tied_last(top: int) -> QuerySet[Candidate]:
    """The candidate of rank `top` in the list of the outer candidate, if it has the same score.

    The score is the probability; with `glmr` the generated similarity; else the embedding similarity.
    """
    probability, generated, embedding = (
        OuterRef(name) for name in ("probability", "generated_similarity", "embedding_similarity")
    )
    neither = Q(probability=None) & Q(IsNull(probability, True))
    nor = neither & Q(generated_similarity=None) & Q(IsNull(generated, True))
    same = (
        Q(probability=probability)
        | (neither & Q(generated_similarity=generated))
        | (nor & Q(embedding_similarity=embedding))
    )
    return Candidate.objects.filter(same, annotation=OuterRef("annotation"), rank=top)


def _formulas(ids: Sequence[int]) -> dict[int, list[FormulaView]]:
    """By annotation, in the order of their ranks. One query."""
    rows = FormulaCandidate.objects.filter(annotation_id__in=ids).order_by("annotation_id", "rank")
    return {
        pk: [from_row(FormulaView, row) for row in group]
        for pk, group in groupby(rows, key=attrgetter("annotation_id"))
    }


def _generated(ids: Sequence[int], all_generated: bool) -> dict[int, list[GeneratedView]]:
    """By annotation, most likely first. One query."""
    rows = GeneratedMolecule.objects.filter(annotation_id__in=ids).order_by("annotation_id", "beam_rank")
    if not all_generated:
        rows = rows.filter(is_proposed=True)
    return {
        pk: [from_row(GeneratedView, row) for row in group]
        for pk, group in groupby(rows, key=attrgetter("annotation_id"))
    }


def _proposed_smiles(generated: Iterable[GeneratedView]) -> tuple[str, ...]:
    """Each proposed molecule once, also if several beams spell it."""
    smiles: dict[str, str] = {}
    for molecule in generated:
        if molecule.is_proposed:
            smiles.setdefault(molecule.inchikey_first_block, molecule.smiles)
    return tuple(smiles.values())
