"""The page that searches for molecules in the libraries that the person may use."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render

from annotation.libraries.bounded_search import SearchBusy
from annotation.libraries.find.questions import InvalidSearch
from annotation.libraries.find.search import HitPage, InvalidCursor
from annotation.libraries.find.search_form import KIND_LABELS, SearchForm, valid_search
from annotation.libraries.models import LibraryQuerySet
from annotation.web import scope
from annotation.web.scope import SignedInRequest
from models_ml.molecules.search_text import SearchKind

ROWS_PER_PAGE = 50
EXAMPLES = (
    ("caffeine", None),
    ("C8H10N4O2", None),
    ("RYYVLZVUVIJVGH", None),
    ("194.0804 ± 5 ppm", None),
    ("Cn1c(=O)c2c(ncn2C)n(C)c1=O", None),
    ("c1ccc2[nH]ccc2c1", SearchKind.SUBSTRUCTURE),
    ("Cn1c(=O)c2c(ncn2C)n(C)c1=O", SearchKind.SIMILARITY),
)


@login_required
def search(request: SignedInRequest) -> HttpResponse:
    """Without a text, the form with examples. A cursor that no page gave leads to the first page."""
    libraries = scope.libraries(request.user)
    has_text = bool(request.GET.get("q", "").strip())
    form = SearchForm(request.GET if has_text else None, libraries)
    page = _page(form, libraries, request.GET.get("after", "")) if has_text else None
    context = {
        "form": form,
        "page": page,
        "alternatives": [(kind.value, KIND_LABELS[kind]) for kind in page.alternatives] if page else [],
        "examples": [(text, kind, KIND_LABELS[kind] if kind else "") for text, kind in EXAMPLES],
    }
    return render(request, "annotation/molecules.html", context)


def _page(form: SearchForm, libraries: LibraryQuerySet, cursor: str) -> HitPage | None:
    """None if the form cannot be used; its errors say why."""
    try:
        chosen = valid_search(form, libraries)
        try:
            return chosen.page(cursor, ROWS_PER_PAGE)
        except InvalidCursor:
            return chosen.page("", ROWS_PER_PAGE)
    except InvalidSearch as invalid:
        for name, texts in invalid.errors.items():
            if name not in form.errors:
                form.add_error(name, texts)
    except SearchBusy as busy:
        form.add_error("q", str(busy))
    return None
