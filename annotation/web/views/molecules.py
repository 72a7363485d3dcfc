"""Structures as SVG pictures, for those who may see the record that names the molecule."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.cache import patch_cache_control
from django.views.decorators.cache import cache_control
from django.views.decorators.vary import vary_on_cookie

from annotation.review.models import Verdict
from annotation.web import scope
from annotation.web.scope import SignedInRequest
from models_ml.molecules.aligned import WINDOW_S
from models_ml.molecules.depict import depict_aligned

WIDTH, HEIGHT = 300, 190
MAX_HIGHLIGHTED_ATOMS = 250
# The picture of a structure never changes. It is private because access depends on the person.
_cache_privately = cache_control(private=True, max_age=7 * 24 * 3600)


@login_required
@_cache_privately
@vary_on_cookie
def molecule_svg(request: SignedInRequest, inchikey_first_block: str) -> HttpResponse:
    """A molecule of a library or reference collection that the person may see.

    `?atoms=0.1.5` marks atoms. `?like=` and the first block of another InChIKey aligns the drawing to that
    molecule and marks the atoms that differ, if the search for the common part has the time. One query
    besides those of the session.
    """
    like = request.GET.get("like", "")
    molecules = scope.molecules(request.user).filter(inchikey_first_block__in=[inchikey_first_block, like])
    smiles = dict(molecules.values_list("inchikey_first_block", "smiles"))
    atoms = _atom_indices(request.GET.get("atoms", ""))
    return _svg_response(smiles.get(inchikey_first_block, ""), atoms, smiles.get(like, ""))


@login_required
@_cache_privately
@vary_on_cookie
def generated_svg(request: SignedInRequest, public_id: UUID, beam_rank: int) -> HttpResponse:
    annotation = get_object_or_404(scope.visible_annotations(request.user), public_id=public_id)
    generated = get_object_or_404(annotation.generated.all(), beam_rank=beam_rank)
    return _svg_response(generated.smiles)


@login_required
@_cache_privately
@vary_on_cookie
def proposed_svg(request: SignedInRequest, public_id: UUID, verdict_id: int) -> HttpResponse:
    """The structure that a curator proposed in a verdict."""
    annotation = get_object_or_404(scope.visible_annotations(request.user), public_id=public_id)
    verdict = get_object_or_404(Verdict, annotation=annotation, pk=verdict_id)
    return _svg_response(verdict.proposed_smiles)


def _atom_indices(text: str) -> list[int]:
    """Reads "0.1.5". Parts that are not an index are ignored."""
    parts = text.split(".")[:MAX_HIGHLIGHTED_ATOMS]
    return [int(part) for part in parts if part.isdecimal() and len(part) < 4]


def _svg_response(smiles: str, highlighted: Sequence[int] = (), like: str = "") -> HttpResponse:
    if not smiles:
        raise Http404("There is no structure at this address.")
    drawing, is_final = depict_aligned(smiles, like, WIDTH, HEIGHT, highlighted)
    response = HttpResponse(drawing, content_type="image/svg+xml")
    if not is_final:
        # Soon, as the budget of searches is for a minute. The decorator keeps the smaller age.
        patch_cache_control(response, max_age=round(WINDOW_S))
    return response
