"""Search for molecules in libraries: one text, a page of molecules, and how the text was understood."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from annotation.libraries.find.answers import START, Place, answer
from annotation.libraries.find.questions import MassQuestion, Options, Question, read_question
from annotation.libraries.labels import label
from annotation.libraries.models import LibraryEntry, LibraryVersionQuerySet, Molecule
from models_ml.molecules.search_text import SearchKind, likely_kinds

DEFAULT_OPTIONS = Options()
_MAX_ID_DIGITS = 18  # of PostgreSQL's bigint


class InvalidCursor(ValueError):
    """The text is no cursor that a page gave."""


@dataclass(frozen=True, slots=True)
class Hit:
    molecule: Molecule  # without its fingerprint
    names: list[str]  # in the libraries that were searched, the newest version first
    ids: list[str]  # likewise
    libraries: list[str]  # of those that were searched, by name
    similarity: float | None  # only of a search by similarity
    mass_error_ppm: float | None  # only of a search by mass: that of the molecule minus that of the search

    @property
    def label(self) -> str:
        return label(self.names, self.ids, self.molecule.inchikey_first_block)


@dataclass(frozen=True, slots=True)
class HitPage:
    hits: list[Hit]
    kind: SearchKind
    understood: str
    alternatives: list[SearchKind]  # what else the spelling allows
    cursor: str  # of the next page; "" at the end
    note: str  # why the page is short


def search_molecules(
    text: str,
    versions: LibraryVersionQuerySet,
    *,
    kind: SearchKind | None = None,
    options: Options = DEFAULT_OPTIONS,
    cursor: str = "",
    limit: int = 50,
) -> HitPage:
    """A page of the molecules of the ready versions among `versions`.

    Four queries, and three more at most for a substructure. Raises InvalidSearch, InvalidCursor and
    SearchBusy.
    """
    text = " ".join(text.replace("\x00", " ").split())
    after = _read_cursor(cursor)
    question = read_question(text, kind, options)
    version_ids = list(versions.ready().values_list("pk", flat=True))
    found = answer(question, version_ids, after, limit)
    return HitPage(
        hits=_hits(question, found.places, version_ids),
        kind=question.kind,
        understood=question.understood,
        alternatives=[other for other in likely_kinds(text) if other is not question.kind],
        cursor=_write_cursor(found.following),
        note=found.note,
    )


def _hits(question: Question, places: list[Place], version_ids: list[int]) -> list[Hit]:
    """Two queries."""
    ids = [place.molecule_id for place in places]
    molecules = Molecule.objects.defer("fingerprint").in_bulk(ids)
    names, libraries = defaultdict[int, dict[str, None]](dict), defaultdict[int, dict[str, None]](dict)
    source_ids = defaultdict[int, dict[str, None]](dict)
    entries = LibraryEntry.objects.filter(molecule_id__in=ids, version_id__in=version_ids)
    rows = entries.order_by("version__library__name", "-version__number")
    columns = ("molecule_id", "name", "source_id", "version__library__name")
    for pk, name, source_id, library in rows.values_list(*columns):
        libraries[pk][library] = None
        if name:
            names[pk][name] = None
        if source_id:
            source_ids[pk][source_id] = None
    return [
        Hit(
            molecule=molecules[place.molecule_id],
            names=list(names[place.molecule_id]),
            ids=list(source_ids[place.molecule_id]),
            libraries=list(libraries[place.molecule_id]),
            similarity=1 - place.key if question.kind is SearchKind.SIMILARITY else None,
            mass_error_ppm=_mass_error(question, molecules[place.molecule_id]),
        )
        for place in places
        if place.molecule_id in molecules
    ]


def _mass_error(question: Question, molecule: Molecule) -> float | None:
    if not isinstance(question, MassQuestion):
        return None
    return (molecule.exact_mass - question.mass) / question.mass * 1e6


def _write_cursor(place: Place | None) -> str:
    return f"{place.key!r}_{place.molecule_id}" if place else ""


def _read_cursor(text: str) -> Place:
    if not text:
        return START
    key, _, number = text.partition("_")
    if not (number.isascii() and number.isdecimal() and len(number) <= _MAX_ID_DIGITS):
        raise InvalidCursor
    try:
        place = Place(float(key), int(number))
    except ValueError:
        raise InvalidCursor from None
    if not math.isfinite(place.key):
        raise InvalidCursor
    return place
