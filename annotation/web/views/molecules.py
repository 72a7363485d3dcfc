"""Structures as SVG pictures, each behind the same walls as the records that name it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import cache_control
from django.views.decorators.vary import vary_on_cookie

from annotation.review.models import Verdict
from annotation.web import scope
from annotation.web.scope import SignedInRequest
from models_ml.molecules.depict import depict_svg

WIDTH, HEIGHT = 300, 190
MAX_ATOMS = 250
# The drawing of a structure never changes; "private", since whether one may see it depends on the person.
_kept = cache_control(private=True, max_age=7 * 24 * 3600)


@login_required
@_kept
@vary_on_cookie
def molecule_svg(request: SignedInRequest, inchikey_first_block: str) -> HttpResponse:
    rows = scope.molecules(request.user).filter(inchikey_first_block=inchikey_first_block)
    smiles = rows.values_list("smiles", flat=True).first()
    return _drawn(smiles or "", _atoms(request.GET.get("atoms", "")))


def _atoms(text: str) -> list[int]:
    """Indices of a fragment's atoms, "0.1.5"; what is no index is left out."""
    return [int(part) for part in text.split(".")[:MAX_ATOMS] if part.isdecimal() and len(part) < 4]


@login_required
@_kept
@vary_on_cookie
def generated_svg(request: SignedInRequest, public_id: UUID, beam_rank: int) -> HttpResponse:
    annotation = get_object_or_404(scope.visible_annotations(request.user), public_id=public_id)
    generated = get_object_or_404(annotation.generated.all(), beam_rank=beam_rank)
    return _drawn(generated.smiles)


@login_required
@_kept
@vary_on_cookie
def proposed_svg(request: SignedInRequest, public_id: UUID, verdict_id: int) -> HttpResponse:
    annotation = get_object_or_404(scope.visible_annotations(request.user), public_id=public_id)
    verdict = get_object_or_404(Verdict, annotation=annotation, pk=verdict_id)
    return _drawn(verdict.proposed_smiles)


def _drawn(smiles: str, highlighted: Sequence[int] = ()) -> HttpResponse:
    if not smiles:
        raise Http404("No such structure here.")
    return HttpResponse(depict_svg(smiles, WIDTH, HEIGHT, highlighted), content_type="image/svg+xml")
