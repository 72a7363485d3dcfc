"""A job whose features differ in everything that a filter or an order looks at."""

from __future__ import annotations

from annotation.models import Annotation, Job, JobItem
from annotation.review.actions import decide
from tests.annotation.builders import (
    SMILES,
    make_annotation,
    make_feature,
    make_job,
    make_molecule,
    make_project,
    make_spectrum,
    make_upload,
    make_user,
)

# precursor m/z, retention time, purity, adduct, index of rank 1 in SMILES, P(right), margin, disagreement
FEATURES = (
    (181.0495, 60.0, 0.9, "[M+H]+", 0, 0.95, 0.5, -0.8),
    (181.0496, 61.0, None, "[M+H]+", 1, 0.55, None, 0.4),
    (195.0877, 120.0, 0.5, "[M+H]+", 3, 0.80, 0.2, None),
    (217.0695, None, 0.5, "[M+Na]+", 3, 0.20, 0.2, 0.1),
    (207.1380, 300.0, 0.1, "[M+H]+", 4, None, 0.05, None),
)


def make_batch(project=None, user=None) -> Job:  # type: ignore[no-untyped-def]
    """Five annotated features, one that failed and one that waits; the first has a verdict."""
    user = user or make_user()
    upload = make_upload(project or make_project(user), user, sample="S-7")
    features = [
        make_feature(
            [make_spectrum(upload, grouped=True, precursor_mz=mz, adduct=adduct)],
            retention_time_s=time,
            purity=purity,
        )
        for mz, time, purity, adduct, *_ in FEATURES
    ]
    features += [make_spectrum(upload, precursor_mz=500.0 + n).membership.feature for n in range(2)]
    job = make_job(features=features, user=user)
    items = list(job.items.order_by("position"))
    for item, (*_, adduct, rank_1, right, margin, disagreement) in zip(items, FEATURES, strict=False):
        annotation(item, adduct, rank_1, right, margin, disagreement)
    JobItem.objects.filter(pk=items[5].pk).update(state="failed", error_code="broken", error="It broke.")
    decide(annotation=items[0].annotation, user=user, decision="accept", seen_verdict_id=None)
    return job


def annotation(
    item: JobItem, adduct: str, rank_1: int, right: float | None, margin: float | None, apart: float | None
) -> Annotation:
    return make_annotation(
        item,
        adduct=adduct,
        top_molecule=make_molecule(SMILES[rank_1]),
        p_right=right,
        margin=margin,
        abstains=None if right is None else right < 0.3,
        reference_similarity=None if apart is None else abs(apart),
        reference_disagreement=apart,
    )
