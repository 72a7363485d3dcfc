"""The filter of a list of reference spectra, as a query."""

from __future__ import annotations

from django import forms

from annotation.references.filter import SpectrumFilter
from annotation.tables.filter_form import FormulaField
from models_ml.molecules.search_text import inchikey_block

_NUMBER = {"step": "any", "inputmode": "decimal"}


class ReferenceFilterForm(forms.Form):
    name = forms.CharField(required=False, max_length=300, label="Title or accession")
    formula = FormulaField(required=False, max_length=100, label="Formula")
    inchikey = forms.CharField(required=False, max_length=27, label="InChIKey")
    precursor_mz = forms.FloatField(
        required=False,
        min_value=1e-6,
        max_value=100_000,
        label="Precursor m/z",
        widget=forms.NumberInput(attrs=_NUMBER),
    )
    tolerance_ppm = forms.FloatField(
        required=False,
        min_value=0,
        max_value=10_000,
        label="± ppm",
        widget=forms.NumberInput(attrs=_NUMBER | {"placeholder": "10"}),
    )

    def clean_inchikey(self) -> str:
        text = str(self.cleaned_data["inchikey"]).upper()
        if text and not inchikey_block(text):
            raise forms.ValidationError("Write a whole InChIKey, or its first block of 14 letters.")
        return text

    def chosen(self) -> SpectrumFilter:
        """Of a valid form."""
        data = self.cleaned_data
        tolerance = data["tolerance_ppm"]
        return SpectrumFilter(
            name=data["name"],
            formula=data["formula"],
            inchikey=data["inchikey"],
            precursor_mz=data["precursor_mz"],
            tolerance_ppm=SpectrumFilter().tolerance_ppm if tolerance is None else tolerance,
        )
