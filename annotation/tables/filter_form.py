"""The filter of a job's features: its parameters in a URL, the same for pages, exports and REST."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.http import urlencode

from annotation.jobs.models import JobItem
from annotation.review.models import Verdict
from annotation.tables.certainty import CERTAINTY_FILTERS
from models_ml.molecules.formula import read_formula

MAX_MASSES = 1000
MAX_SMARTS = 500
DEFAULT_MZ_PPM = 10.0
NEEDS_MZ = "The ppm apply to the list of m/z. Fill in the list too."

VERDICT_FILTERS = [
    ("", "All features"),
    ("none", "Without a verdict"),
    ("any", "With a verdict"),
]
DISAGREEMENT_FILTERS = [
    ("", "With or without references"),
    ("disagree", "References support another molecule"),
    ("agree", "References support rank 1"),
    ("none", "No reference spectrum"),
]


class MassListField(forms.CharField):
    """m/z values in any layout: one per line, or separated by blanks, commas or semicolons."""

    def to_python(self, value: Any) -> Any:
        words = re.split(r"[\s,;]+", super().to_python(value) or "")
        return tuple(_mass(word) for word in words if word)

    def validate(self, value: Any) -> None:
        super().validate(value)
        if len(value) > MAX_MASSES:
            raise ValidationError(f"{len(value)} m/z are too many. Give at most {MAX_MASSES}.")

    def run_validators(self, value: Any) -> None:
        """Nothing more: the validators of the text do not apply to numbers."""


class FormulaField(forms.CharField):
    """The atoms of a molecular formula, in Hill order as the server stores it. A charge is ignored."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        try:
            return read_formula(text) if text else ""
        except ValueError as error:
            raise ValidationError(str(error)) from None


class ResultFilterForm(forms.Form):
    """Every field is optional. The names are those of the URL and of REST."""

    q = forms.CharField(required=False, max_length=200, label="Title or external ID")
    state = forms.ChoiceField(
        choices=[("", "Any state"), *JobItem.State.choices], required=False, label="State"
    )
    review = forms.ChoiceField(
        choices=[*VERDICT_FILTERS, *Verdict.Decision.choices], required=False, label="Verdict"
    )
    sure = forms.ChoiceField(choices=CERTAINTY_FILTERS, required=False, label="Probability of rank 1")
    references = forms.ChoiceField(choices=DISAGREEMENT_FILTERS, required=False, label="Reference spectra")
    mz_from = forms.FloatField(required=False, min_value=0, label="Precursor m/z from")
    mz_to = forms.FloatField(required=False, min_value=0, label="Precursor m/z to")
    mz = MassListField(
        required=False,
        label="List of m/z",
        help_text="Paste precursor m/z, one per line.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    mz_ppm = forms.FloatField(required=False, min_value=0.01, max_value=1000, label="± ppm of the list")
    time_from = forms.FloatField(required=False, label="Retention time from (s)")
    time_to = forms.FloatField(required=False, label="Retention time to (s)")
    adduct = forms.CharField(required=False, max_length=40, label="Adduct")
    formula = FormulaField(
        required=False, max_length=100, label="Formula", help_text="Of rank 1, such as C8H10N4O2."
    )
    smarts = forms.CharField(
        required=False,
        max_length=MAX_SMARTS,
        label="Substructure (SMARTS)",
        help_text="Of rank 1, such as c1ccccc1 or [CX3](=O)[OX2H1].",
    )
    file = forms.IntegerField(required=False, min_value=1, label="Number of the file")
    sample = forms.CharField(required=False, max_length=200, label="Sample")

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        for low, high, noun in (("mz_from", "mz_to", "m/z"), ("time_from", "time_to", "retention time")):
            if None not in (values.get(low), values.get(high)) and values[low] > values[high]:
                self.add_error(high, f"The range of {noun} ends before it begins. Swap the two values.")
        if values.get("mz_ppm") is not None and not values.get("mz") and "mz" not in self.errors:
            self.add_error("mz_ppm", NEEDS_MZ)
        return values


# What of an address belongs to the filter. The rest, such as the order, does not change which rows match.
FILTER_NAMES = tuple(ResultFilterForm.base_fields)


class InvalidFilter(ValueError):
    """`errors` has the messages of each wrong parameter by name."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        self.errors = errors
        super().__init__(" ".join(f"{name}: {' '.join(texts)}" for name, texts in errors.items()))


@dataclass(frozen=True, slots=True)
class ResultFilter:
    """The valid values of a filter by name. Without values it matches every feature."""

    values: dict[str, Any] = field(default_factory=dict)
    query: str = ""  # the same as a query string, to be carried from page to page

    def __bool__(self) -> bool:
        return bool(self.values)


EVERYTHING = ResultFilter()


def read_filter(query: QueryDict | str) -> ResultFilter:
    """The filter of a URL. Raises InvalidFilter. Parameters with other names are ignored."""
    form = ResultFilterForm(_parameters(query))
    if not form.is_valid():
        raise InvalidFilter({name: [str(text) for text in texts] for name, texts in form.errors.items()})
    return valid_part(form)


def valid_part(form: ResultFilterForm) -> ResultFilter:
    """What of the form can be used: wrong values are left out, and the form names them."""
    form.is_valid()
    names = [name for name in FILTER_NAMES if form.cleaned_data.get(name) not in (None, "", ())]
    query = urlencode([(name, form.data[name]) for name in names])
    return ResultFilter({name: form.cleaned_data[name] for name in names}, query)


def _parameters(query: QueryDict | str) -> QueryDict:
    return QueryDict(query) if isinstance(query, str) else query


def _mass(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = 0.0
    if not 0 < value < 100_000:
        raise ValidationError(f"“{word[:30]}” is not an m/z. Write numbers such as 195.0877.")
    return value
