"""The parameters of a search for molecules, the same in the address of the page and over REST."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict

from annotation.libraries.find.questions import (
    DEFAULT_PPM,
    DEFAULT_SIMILARITY,
    LEAST_SIMILARITY,
    MAX_PPM,
    MAX_TEXT,
    InvalidSearch,
    Options,
)
from annotation.libraries.find.search import HitPage, search_molecules
from annotation.libraries.models import LibraryQuerySet, LibraryVersion
from models_ml.molecules.search_text import SearchKind

KIND_LABELS = {
    SearchKind.NAME: "Name or ID",
    SearchKind.FORMULA: "Formula",
    SearchKind.INCHIKEY: "InChIKey",
    SearchKind.MASS: "Exact mass",
    SearchKind.STRUCTURE: "Structure (SMILES, InChI)",
    SearchKind.SUBSTRUCTURE: "Substructure (SMARTS)",
    SearchKind.SIMILARITY: "Similar structures",
}


class SearchForm(forms.Form):
    """Only `q` is required."""

    q = forms.CharField(
        max_length=MAX_TEXT,
        label="Search for",
        help_text="A name, an ID, a formula, an InChIKey or its first block, an exact mass, or a SMILES.",
    )
    kind = forms.ChoiceField(
        choices=[("", "Detect from the text"), *((kind.value, KIND_LABELS[kind]) for kind in SearchKind)],
        required=False,
        label="Understand it as",
    )
    library = forms.ChoiceField(required=False, label="Library")
    ppm = forms.FloatField(required=False, min_value=0.01, max_value=MAX_PPM, label="± ppm of a mass")
    min_similarity = forms.FloatField(
        required=False,
        min_value=LEAST_SIMILARITY,
        max_value=1,
        label="Least Tanimoto similarity",
    )

    def __init__(self, query: QueryDict | None, libraries: LibraryQuerySet) -> None:
        super().__init__(query)
        names = libraries.order_by("name").values_list("name", flat=True)
        library = self.fields["library"]
        assert isinstance(library, forms.ChoiceField)
        library.choices = [("", "All libraries"), *((name, name) for name in names)]
        library.error_messages["invalid_choice"] = "There is no library “%(value)s” that you can see."
        self.fields["ppm"].widget.attrs["placeholder"] = f"{DEFAULT_PPM:g}"
        self.fields["min_similarity"].widget.attrs["placeholder"] = f"{DEFAULT_SIMILARITY:g}"


@dataclass(frozen=True, slots=True)
class Search:
    """A valid search in the libraries that the reader may use."""

    values: dict[str, Any]
    libraries: LibraryQuerySet

    def page(self, cursor: str, limit: int) -> HitPage:
        """Raises InvalidSearch, InvalidCursor and SearchBusy."""
        libraries = self.libraries
        if name := self.values["library"]:
            libraries = libraries.filter(name=name)
        ppm, at_least = self.values["ppm"], self.values["min_similarity"]
        return search_molecules(
            self.values["q"],
            LibraryVersion.objects.filter(library__in=libraries),
            kind=SearchKind(self.values["kind"]) if self.values["kind"] else None,
            options=Options(
                DEFAULT_PPM if ppm is None else ppm, DEFAULT_SIMILARITY if at_least is None else at_least
            ),
            cursor=cursor,
            limit=limit,
        )


def valid_search(form: SearchForm, libraries: LibraryQuerySet) -> Search:
    """One query. Raises InvalidSearch."""
    if not form.is_valid():
        raise InvalidSearch({name: [str(text) for text in texts] for name, texts in form.errors.items()})
    return Search(form.cleaned_data, libraries)
