"""The forms of the web pages: what a person may send, and in which words a mistake is said."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile

from annotation.accounts.models import Project, Role
from annotation.checkpoints.models import ModelVersion
from annotation.jobs.models import JobItem
from annotation.libraries.models import LibraryVersion
from annotation.references.models import ReferenceVersion
from annotation.review.models import Verdict
from annotation.web import scope
from annotation.web.certainty import SURE
from models_ml.outcomes import METHODS, AnnotateParams

NONE_ASSUMED = ("", "None: such spectra fail")
POSITIVE = [NONE_ASSUMED] + [
    (a, a) for a in ("[M+H]+", "[M+Na]+", "[M+NH4]+", "[M+K]+", "[M]+", "[M-H2O+H]+")
]
NEGATIVE = [NONE_ASSUMED] + [(a, a) for a in ("[M-H]-", "[M+HCOO]-", "[M+CH3COO]-", "[M+Cl]-")]
METHOD_LABELS = {
    "fused": "fused: all evidence, with probabilities",
    "glmr": "glmr: the paper's ranking, no probabilities",
}

REVIEWED = [("", "Reviewed or not"), ("none", "Without a verdict"), ("any", "With a verdict")]


class ManyFiles(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One or more files; each is checked as Django checks one."""

    widget = ManyFiles

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        given = data if isinstance(data, list | tuple) else [data]
        return [super(FilesField, self).clean(one, initial) for one in given or [None]]


class RunForm(forms.Form):
    """Against what, by what and how the spectra are annotated."""

    name = forms.CharField(
        max_length=200,
        required=False,
        label="Name of the job",
        help_text="As you want to find it again. Left empty, the file's name is used.",
    )
    library_version = forms.ModelChoiceField(
        LibraryVersion.objects.none(),
        label="Candidate library",
        empty_label=None,
        help_text="Candidates come only from here. A version never changes once it is ready.",
    )
    model_version = forms.ModelChoiceField(ModelVersion.objects.none(), label="Model", empty_label=None)
    reference_version = forms.ModelChoiceField(
        ReferenceVersion.objects.none(),
        label="Reference spectra",
        required=False,
        empty_label="None",
        help_text="Known spectra that look like yours speak for the structures that they have.",
    )
    method = forms.ChoiceField(
        choices=[(name, METHOD_LABELS.get(name, name)) for name in METHODS],
        required=False,
        initial=AnnotateParams().method,
        label="How to rank",
        help_text="A model without a fused ranking ranks by glmr; each result says which it was.",
        error_messages={"invalid_choice": f"“%(value)s” is no method. It is one of {', '.join(METHODS)}."},
    )
    precursor_tolerance_ppm = forms.FloatField(
        min_value=0.1,
        max_value=1000,
        initial=AnnotateParams().precursor_tolerance_ppm,
        label="Precursor tolerance (ppm)",
        help_text="Candidates outside ± this window around the neutral mass are not looked at.",
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )
    positive_adduct = forms.ChoiceField(choices=POSITIVE, required=False, label="In positive mode")
    negative_adduct = forms.ChoiceField(choices=NEGATIVE, required=False, label="In negative mode")

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        versions = scope.library_versions(user).filter(state=LibraryVersion.State.READY)
        self.libraries = self._choice("library_version")
        self.libraries.queryset = versions.select_related("library").order_by("library__name", "-number")
        references = scope.reference_versions(user).filter(state=ReferenceVersion.State.READY)
        field = self._choice("reference_version")
        field.queryset = references.select_related("collection").order_by("collection__name", "-number")
        field.initial = references.order_by("collection__is_accepted", "-created_at", "-pk").first()
        self.models = self._choice("model_version")
        self.models.queryset = ModelVersion.objects.order_by("-is_default", "-registered_at")

    def _choice(self, name: str) -> forms.ModelChoiceField[Any]:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        return field

    def params(self) -> AnnotateParams:
        """Of a valid form."""
        given = self.cleaned_data
        assumed = {"positive": given["positive_adduct"], "negative": given["negative_adduct"]}
        return AnnotateParams(
            method=given["method"] or AnnotateParams().method,
            precursor_tolerance_ppm=given["precursor_tolerance_ppm"],
            assumed_adducts={mode: adduct for mode, adduct in assumed.items() if adduct},
        )


class SubmitForm(RunForm):
    """The first step: the files, and for which project."""

    project = forms.ModelChoiceField(Project.objects.none(), label="Project", empty_label=None)
    spectra = FilesField(label="Spectra")

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self._choice("project").queryset = scope.projects(user, Role.SUBMITTER)


class SpectraFilter(forms.Form):
    """Which spectra of a job the table shows. What cannot be understood is dropped, not refused."""

    q = forms.CharField(required=False, max_length=200, label="Title or your ID")
    state = forms.ChoiceField(choices=[("", "Any state"), *JobItem.State.choices], required=False)
    review = forms.ChoiceField(
        choices=[*REVIEWED, *Verdict.Decision.choices], required=False, label="Verdict"
    )

    sure = forms.ChoiceField(choices=SURE, required=False, label="Rank 1 is right")

    def value(self, name: str) -> str:
        return str(self.cleaned_data.get(name, "") or "") if self.is_valid() or self.cleaned_data else ""


class VerdictForm(forms.Form):
    """A verdict as the page sends it; what makes it valid is `annotation.review`'s to say."""

    decision = forms.ChoiceField(
        choices=Verdict.Decision.choices, error_messages={"required": "Required: choose a decision."}
    )
    candidate = forms.IntegerField(required=False, label="Candidate to choose (rank)")
    proposed_smiles = forms.CharField(required=False, label="Structure of your own (SMILES)")
    level = forms.ChoiceField(
        choices=[("", "As proposed"), *Verdict.Level.choices], required=False, label="Confidence level"
    )
    as_reference = forms.BooleanField(
        required=False,
        label="Use this spectrum as a reference",
        help_text="For levels 1, 2a and 2b. Other spectra may then be judged by this one.",
    )
    reason = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}), label="Reason")
    comment = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}), label="Comment")
    seen_verdict_id = forms.IntegerField(required=False, widget=forms.HiddenInput)
