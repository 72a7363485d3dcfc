"""The page of a molecule: what it is, where it is stored, its reference spectra, and results that name it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from annotation.libraries.labels import label
from annotation.libraries.models import LibraryEntry
from annotation.review import molecule_record
from annotation.web import scope
from annotation.web.scope import SignedInRequest

ROWS_PER_PAGE = 25
_MAX_ID_DIGITS = 18  # of PostgreSQL's bigint


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of one page, and what the address of the next page names; "" on the last page."""

    rows: Sequence[Any]
    cursor: str

    def __len__(self) -> int:
        return len(self.rows)


@login_required
def molecule(request: SignedInRequest, inchikey: str) -> HttpResponse:
    """Addressed by the first block of its InChIKey; a whole InChIKey leads there. Seven queries at most."""
    block = inchikey.partition("-")[0].upper()
    if inchikey != block:
        return redirect("molecule", block)
    found = get_object_or_404(scope.molecules(request.user), inchikey_first_block=block)
    projects = scope.projects(request.user)
    entries = molecule_record.entries_of(found, projects)
    names = molecule_record.names_of(entries)
    any_rank = request.GET.get("rank") == "any"
    candidates = molecule_record.candidates_of(found, projects, any_rank=any_rank)
    mentions = _slice(candidates, "annotation_id", request.GET.get("results_before", ""))
    references = molecule_record.references_of(found, projects)
    context = {
        "molecule": found,
        "heading": label(names, molecule_record.ids_of(entries), found.inchikey_first_block),
        "names": names,
        "inchikeys": _inchikeys(entries),
        "entries": entries,
        "is_cut": len(entries) == molecule_record.MAX_ENTRIES,
        "references": _slice(references, "pk", request.GET.get("references_before", "")),
        "mentions": Slice(molecule_record.with_verdicts(list(mentions.rows)), mentions.cursor),
        "any_rank": any_rank,
    }
    return render(request, "annotation/molecule.html", context)


def _slice(rows: QuerySet[Any], key: str, before: str) -> Slice:
    """The rows behind the one with the key `before`. The rows are sorted by it, largest first. One query."""
    if before.isascii() and before.isdecimal() and len(before) <= _MAX_ID_DIGITS:
        rows = rows.filter(**{f"{key}__lt": int(before)})
    found = list(rows[: ROWS_PER_PAGE + 1])
    shown = found[:ROWS_PER_PAGE]
    return Slice(shown, str(getattr(shown[-1], key)) if len(found) > len(shown) else "")


def _inchikeys(entries: Sequence[LibraryEntry]) -> list[str]:
    """The InChIKeys as drawn in the libraries: they differ where the stereo differs."""
    return sorted({entry.inchikey for entry in entries if entry.inchikey})
