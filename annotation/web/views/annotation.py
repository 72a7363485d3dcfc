"""One annotated spectrum: its plot, its candidates, and a curator's verdict on it."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from annotation.accounts.models import Role
from annotation.results.models import Annotation
from annotation.review.actions import InvalidVerdict, StaleReview, decide
from annotation.review.models import Verdict
from annotation.review.rules import NAMES_A_STRUCTURE
from annotation.web import scope
from annotation.web.annotation_page import page_context
from annotation.web.demonstration import is_computed
from annotation.web.forms import VerdictForm
from annotation.web.review_queue import kept_filters, places_around, review_queue
from annotation.web.scope import SignedInRequest

# Key on the keyboard for each decision, in the order of the panel.
KEYS = dict(zip(Verdict.Decision.values, "acpwmir", strict=True))


@login_required
def detail(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    annotation = scope.annotation_or_404(request.user, public_id)
    return _page(request, annotation, None)


@login_required
def spectrum_panel(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """The plot and the chosen candidate alone, when another candidate is looked at."""
    annotation = scope.annotation_or_404(request.user, public_id)
    context = page_context(annotation, request.GET.get("candidate"))
    return render(request, "annotation/_spectrum_and_chosen.html", context | {"swap": True})


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
        return _page(request, annotation, form, status=409, stale=stale.current)
    except InvalidVerdict as invalid:
        for field, sentence in invalid.errors.items():
            form.add_error(field if field in form.fields else None, sentence)
        return _page(request, annotation, form, status=422)
    messages.success(request, f"Recorded: {verdict.get_decision_display().lower()}.")
    return _after_verdict(request, annotation)


def _decide(annotation: Annotation, request: SignedInRequest, form: VerdictForm) -> Verdict:
    """Fields that belong to another decision than the one taken are left out."""
    given = form.cleaned_data
    decision = given["decision"]
    chosen = annotation.candidates.filter(rank=given["candidate"]).first()
    return decide(
        annotation=annotation,
        user=request.user,
        decision=decision,
        level=given["level"],
        candidate=chosen if decision == Verdict.Decision.CHOOSE else None,
        proposed_smiles=given["proposed_smiles"] if decision == Verdict.Decision.PROPOSE else "",
        reason=given["reason"],
        comment=given["comment"],
        as_reference=given["as_reference"] and decision in NAMES_A_STRUCTURE,
        seen_verdict_id=given["seen_verdict_id"],
    )


def _after_verdict(request: SignedInRequest, annotation: Annotation) -> HttpResponseRedirect:
    """The next of the queue for someone who works through it, else this page again."""
    if "queue" not in request.GET:
        return redirect("annotation-detail", annotation.public_id)
    following = review_queue(request.user, request.GET).first()
    kept = urlencode({"queue": "1"} | kept_filters(request.GET))
    if following is None:
        return redirect(f"{reverse('review-queue')}?{kept}")
    return redirect(f"{reverse('annotation-detail', args=[following.public_id])}?{kept}")


def _page(
    request: SignedInRequest,
    annotation: Annotation,
    form: VerdictForm | None,
    *,
    status: int = 200,
    stale: Verdict | None = None,
) -> HttpResponse:
    context = page_context(annotation, request.GET.get("candidate") or request.POST.get("candidate"))
    current, in_queue = context["current"], "queue" in request.GET
    if in_queue:
        before, after = places_around(request.user, request.GET, annotation.public_id)
        context["neighbours"] = replace(context["neighbours"], previous=before, next=after)
    seen = {"seen_verdict_id": current.pk if current else None}
    context |= {
        "form": _seeing_latest(form, seen) if form else VerdictForm(initial=seen),
        "keys": [(*choice, KEYS[choice[0]]) for choice in Verdict.Decision.choices],
        "may_review": scope.holds(request.user, annotation.job.project_id, Role.CURATOR),
        "stale": stale,
        "in_queue": in_queue,
        "kept": urlencode({"queue": "1"} | kept_filters(request.GET)) if in_queue else "",
        "is_computed": is_computed(annotation.spectrum),
    }
    return render(request, "annotation/annotation.html", context, status=status)


def _seeing_latest(form: VerdictForm, seen: dict[str, int | None]) -> VerdictForm:
    """The form as it was filled in, now that its reader is shown the latest verdict."""
    form.data = {**form.data.dict(), "seen_verdict_id": seen["seen_verdict_id"] or ""}  # type: ignore[attr-defined]
    return form
