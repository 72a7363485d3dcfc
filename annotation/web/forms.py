"""Forms of the web pages: their fields, labels, hints and error messages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from annotation.accounts.models import Project, Role
from annotation.checkpoints.models import ModelVersion
from annotation.libraries.models import LibraryVersion
from annotation.plain_text import LONGEST_SMILES, LONGEST_TEXT
from annotation.references.models import ReferenceVersion
from annotation.review.models import Verdict
from annotation.spectra.models import Upload
from annotation.web import scope
from models_ml.outcomes import METHODS, AnnotateParams

NO_ADDUCT = ("", "None: these cannot be annotated")
POSITIVE_ADDUCTS = ("[M+H]+", "[M+Na]+", "[M+NH4]+", "[M+K]+", "[M]+", "[M-H2O+H]+")
NEGATIVE_ADDUCTS = ("[M-H]-", "[M+HCOO]-", "[M+CH3COO]-", "[M+Cl]-")
METHOD_LABELS = {
    "fused": "fused: all evidence, with probabilities",
    "glmr": "glmr: the published method, without probabilities",
}


class MultipleFileInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class MultipleFileField(forms.FileField):
    """One or more files, each validated like a single one."""

    widget = MultipleFileInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        files = data if isinstance(data, list | tuple) else [data]
        return [super(MultipleFileField, self).clean(file, initial) for file in files or [None]]


class RunForm(forms.Form):
    """The settings of a job."""

    name = forms.CharField(
        max_length=200,
        required=False,
        label="Job name",
        help_text="By default the name of the file.",
    )
    library_version = forms.ModelChoiceField(
        LibraryVersion.objects.none(),
        label="Candidate library",
        empty_label=None,
        help_text="All candidates come from this library version.",
    )
    reference_version = forms.ModelChoiceField(
        ReferenceVersion.objects.none(),
        label="Reference spectra",
        required=False,
        empty_label="None",
        help_text="Reference spectra that resemble yours support candidates with matching structures.",
    )
    model_version = forms.ModelChoiceField(ModelVersion.objects.none(), label="Model", empty_label=None)
    method = forms.ChoiceField(
        choices=[(method, METHOD_LABELS.get(method, method)) for method in METHODS],
        required=False,
        initial=AnnotateParams().method,
        label="Ranking method",
        help_text="A model without a fused ranking uses glmr. Each result names its method.",
        error_messages={
            "invalid_choice": f"“%(value)s” is not a method. Choose one of: {', '.join(METHODS)}."
        },
    )
    precursor_tolerance_ppm = forms.FloatField(
        min_value=0.1,
        max_value=1000,
        initial=AnnotateParams().precursor_tolerance_ppm,
        label="Precursor tolerance (± ppm)",
        help_text="Molecules whose mass differs more from the neutral mass are not candidates.",
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )
    positive_adduct = forms.ChoiceField(
        choices=[NO_ADDUCT, *((adduct, adduct) for adduct in POSITIVE_ADDUCTS)],
        required=False,
        label="Positive mode",
    )
    negative_adduct = forms.ChoiceField(
        choices=[NO_ADDUCT, *((adduct, adduct) for adduct in NEGATIVE_ADDUCTS)],
        required=False,
        label="Negative mode",
    )

    accept_proposed_adducts = forms.BooleanField(
        required=False,
        label="Use the adducts that MS1 suggests",
        help_text="For features whose file states none. Results name the source of the adduct.",
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        libraries = scope.library_versions(user).ready()
        self._set_choices(
            "library_version", libraries.select_related("library").order_by("library__name", "-number")
        )
        references = scope.reference_versions(user).ready()
        self._set_choices(
            "reference_version",
            references.select_related("collection").order_by("collection__name", "-number"),
            initial=references.default(),
        )
        self._set_choices("model_version", ModelVersion.objects.order_by("-is_default", "-registered_at"))

    def _set_choices(self, name: str, queryset: Any, initial: object = None) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = queryset
        field.initial = initial

    def params(self) -> AnnotateParams:
        """The job's parameters. The form must be valid."""
        values = self.cleaned_data
        adducts = {"positive": values["positive_adduct"], "negative": values["negative_adduct"]}
        return AnnotateParams(
            method=values["method"] or AnnotateParams().method,
            precursor_tolerance_ppm=values["precursor_tolerance_ppm"],
            accept_proposed_adducts=values["accept_proposed_adducts"],
            assumed_adducts={mode: adduct for mode, adduct in adducts.items() if adduct},
        )


class SubmitForm(RunForm):
    """The first step of a submission: the files and their project, with the settings of the job."""

    project = forms.ModelChoiceField(Project.objects.none(), label="Project", empty_label=None)
    spectra = MultipleFileField(label="Spectra")
    grouping = forms.ChoiceField(
        choices=Upload.Grouping.choices,
        initial=Upload.Grouping.AUTO,
        required=False,
        label="Spectra of one ion",
        help_text="Spectra that belong to one ion are one feature and get one answer.",
    )

    def __init__(self, user: User, *args: Any, max_bytes: int, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self._set_choices("project", scope.projects(user, Role.SUBMITTER))
        self.fields["spectra"].help_text = (
            "MGF, MSP (NIST and RIKEN), MassBank, mzML or mzXML, also as gzip, zip or tar. "
            "The server recognises the format from the content. "
            f"Up to {filesizeformat(max_bytes)} together. Only MS2 spectra are used. "
            "An invalid spectrum or file does not affect the others."
        )


class VerdictForm(forms.Form):
    """A verdict as the page sends it. `annotation.review` checks whether it is allowed."""

    decision = forms.ChoiceField(
        choices=Verdict.Decision.choices, error_messages={"required": "Choose a decision."}
    )
    candidate = forms.IntegerField(required=False, label="Candidate (rank)")
    proposed_smiles = forms.CharField(
        required=False, max_length=LONGEST_SMILES, label="Own structure (SMILES)"
    )
    level = forms.ChoiceField(
        choices=[("", "As proposed"), *Verdict.Level.choices], required=False, label="Confidence level"
    )
    as_reference = forms.BooleanField(
        required=False,
        label="Use this spectrum as a reference spectrum",
        help_text="For levels 1, 2a and 2b. It can then support candidates for other spectra.",
    )
    reason = forms.CharField(
        required=False, max_length=LONGEST_TEXT, widget=forms.Textarea(attrs={"rows": 3}), label="Reason"
    )
    comment = forms.CharField(
        required=False, max_length=LONGEST_TEXT, widget=forms.Textarea(attrs={"rows": 2}), label="Comment"
    )
    seen_verdict_id = forms.IntegerField(required=False, widget=forms.HiddenInput)
