"""One annotated spectrum: its plot, its candidates, and a curator's verdict on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.views.decorators.http import require_POST
from django.views.decorators.vary import vary_on_headers

from annotation.accounts.models import Role
from annotation.results.models import Annotation
from annotation.review.actions import InvalidVerdict, StaleReview, decide
from annotation.review.models import Verdict
from annotation.review.rules import NAMES_A_STRUCTURE
from annotation.web import scope
from annotation.web.annotation_page import AnnotationPage, isotope_rows, load_page
from annotation.web.credits import credits_of
from annotation.web.demonstration import has_answer, is_computed, published
from annotation.web.forms import VerdictForm
from annotation.web.network import similar_context
from annotation.web.review_queue import active_filters, queue_neighbours, review_queue
from annotation.web.scope import SignedInRequest
from annotation.web.spectra_table import LIST, carried_list, list_neighbours
from annotation.web.spectrum_panel import load_panel


@dataclass(frozen=True)
class DecisionOption:
    decision: Verdict.Decision
    key: str  # on the keyboard


DECISION_OPTIONS = (
    DecisionOption(Verdict.Decision.ACCEPT, "a"),
    DecisionOption(Verdict.Decision.CHOOSE, "c"),
    DecisionOption(Verdict.Decision.PROPOSE, "p"),
    DecisionOption(Verdict.Decision.WRONG_ADDUCT, "w"),
    DecisionOption(Verdict.Decision.MIXTURE, "m"),
    DecisionOption(Verdict.Decision.INSUFFICIENT, "i"),
    DecisionOption(Verdict.Decision.REJECT, "r"),
)


@login_required
def detail(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    annotation = scope.annotation_or_404(request.user, public_id)
    return _page(request, annotation, None)


@login_required
def spectrum_panel(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """The plot and the chosen candidate alone, for the page to swap in."""
    annotation = scope.annotation_or_404(request.user, public_id)
    panel = load_panel(annotation, request.GET)
    context = {"annotation": annotation, "job": annotation.job, "panel": panel, "is_swap": True}
    return render(request, "annotation/_spectrum_swap.html", context)


@login_required
@vary_on_headers("HX-Request")
def similar(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """What resembles the feature: a part for its page, which loads it when seen, or a page by itself."""
    annotation = scope.annotation_or_404(request.user, public_id)
    context = {"annotation": annotation, **similar_context(annotation)}
    template = "annotation/_similar.html" if "HX-Request" in request.headers else "annotation/similar.html"
    return render(request, template, context)


@login_required
@require_POST
def add_verdict(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    annotation = scope.annotation_or_404(request.user, public_id)
    scope.require(request.user, annotation.job.project_id, Role.CURATOR)
    form = VerdictForm(request.POST)
    if not form.is_valid():
        return _page(request, annotation, form, status=422)
    try:
        verdict = _decide(annotation, request, form)
    except StaleReview as stale:
        return _page(request, annotation, form, status=409, newer_verdict=stale.current)
    except InvalidVerdict as invalid:
        for field, message in invalid.errors.items():
            form.add_error(field if field in form.fields else None, message)
        return _page(request, annotation, form, status=422)
    messages.success(request, _recorded(annotation, verdict))
    return _after_verdict(request, annotation)


def _recorded(annotation: Annotation, verdict: Verdict) -> str:
    """The confirmation, with a link back: after a review the next feature is on the screen."""
    spectrum = annotation.spectrum
    feature = spectrum.title or (
        f"m/z {spectrum.precursor_mz:.4f}" if spectrum.precursor_mz else "the feature"
    )
    return format_html(
        'Recorded for <a href="{}">{}</a>: {}.',
        reverse("annotation-detail", args=[annotation.public_id]),
        feature,
        verdict.get_decision_display().lower(),
    )


def _decide(annotation: Annotation, request: SignedInRequest, form: VerdictForm) -> Verdict:
    """Ignores the fields that belong to another decision than the one taken."""
    data = form.cleaned_data
    decision = data["decision"]
    candidate = annotation.candidates.filter(rank=data["candidate"]).first()
    return decide(
        annotation=annotation,
        user=request.user,
        decision=decision,
        level=data["level"],
        candidate=candidate if decision == Verdict.Decision.CHOOSE else None,
        proposed_smiles=data["proposed_smiles"] if decision == Verdict.Decision.PROPOSE else "",
        reason=data["reason"],
        comment=data["comment"],
        as_reference=data["as_reference"] and decision in NAMES_A_STRUCTURE,
        seen_verdict_id=data["seen_verdict_id"],
    )


def _after_verdict(request: SignedInRequest, annotation: Annotation) -> HttpResponseRedirect:
    """On to the next of the queue in a review sitting, else back to this page."""
    if not _is_in_queue(request):
        url = reverse("annotation-detail", args=[annotation.public_id])
        carried = carried_list(request.GET.get(LIST, ""))
        return redirect(f"{url}?{carried}" if carried else url)
    following = review_queue(request.user, request.GET).first()
    if following is None:
        return redirect(f"{reverse('review-queue')}?{_queue_query(request)}")
    url = reverse("annotation-detail", args=[following.public_id])
    return redirect(f"{url}?{_queue_query(request)}")


def _page(
    request: SignedInRequest,
    annotation: Annotation,
    form: VerdictForm | None,
    *,
    status: int = 200,
    newer_verdict: Verdict | None = None,
) -> HttpResponse:
    """`form` holds what a refused verdict entered; `newer_verdict` is the one that it had not seen."""
    query = request.GET.copy()
    query.setdefault("candidate", request.POST.get("candidate", ""))
    page = load_page(annotation, query)
    context = {
        "annotation": annotation,
        "job": annotation.job,
        "spectrum": annotation.spectrum,
        "page": page,
        "panel": page.panel,
        "feature": annotation.item.feature,
        "isotopes": isotope_rows(annotation.item.feature),
        "is_computed": is_computed(annotation.spectrum),
        "credits": credits_of(annotation.spectrum),
        "has_answer": has_answer(annotation),
        "published": published(annotation) if query.get("answer") == "shown" else None,
        **_navigation(request, annotation),
        **_review(request, annotation, page, form, newer_verdict),
    }
    return render(request, "annotation/annotation.html", context, status=status)


def _navigation(request: SignedInRequest, annotation: Annotation) -> dict[str, Any]:
    """The annotations before and after this one: of the queue in a review sitting, else of the job."""
    listed = request.GET.get(LIST, "")
    if _is_in_queue(request):
        previous, following = queue_neighbours(request.user, request.GET, annotation.public_id)
        return {
            "previous": previous,
            "following": following,
            "is_in_queue": True,
            "queue_query": _queue_query(request),
        }
    found, place = list_neighbours(annotation.job, annotation.item, listed)
    return {
        "previous": found.previous,
        "following": found.following,
        "is_in_queue": False,
        "queue_query": carried_list(listed),
        "listed": listed,
        "place": place,
    }


def _review(
    request: SignedInRequest,
    annotation: Annotation,
    page: AnnotationPage,
    form: VerdictForm | None,
    newer_verdict: Verdict | None,
) -> dict[str, Any]:
    seen = {"seen_verdict_id": page.current_verdict.pk if page.current_verdict else None}
    return {
        "form": _with_latest_verdict(form, seen) if form else VerdictForm(initial=seen),
        "decision_options": DECISION_OPTIONS,
        "may_review": scope.holds(request.user, annotation.job.project_id, Role.CURATOR),
        "newer_verdict": newer_verdict,
    }


def _with_latest_verdict(form: VerdictForm, seen: dict[str, int | None]) -> VerdictForm:
    """The form as it was filled in. It names the latest verdict as seen, because the page now shows it."""
    form.data = {**form.data.dict(), "seen_verdict_id": seen["seen_verdict_id"] or ""}  # type: ignore[attr-defined]
    return form


def _is_in_queue(request: SignedInRequest) -> bool:
    return "queue" in request.GET


def _queue_query(request: SignedInRequest) -> str:
    """The query string that keeps a review sitting and its filters."""
    return urlencode({"queue": "1"} | active_filters(request.GET))
