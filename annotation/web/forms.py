"""Forms of the web pages: their fields, labels, hints and error messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from annotation.accounts.models import Project, Role
from annotation.checkpoints.models import ModelVersion
from annotation.jobs import actions
from annotation.jobs.models import Job
from annotation.libraries.models import LibraryVersion
from annotation.plain_text import LONGEST_SMILES, LONGEST_TEXT
from annotation.references.accessions import accession_of, find_reference
from annotation.references.models import ReferenceSpectrum, ReferenceVersion
from annotation.review.models import Verdict
from annotation.spectra import pasted
from annotation.web import scope
from models_ml.outcomes import ADDUCT_POLICIES, METHODS, AnnotateParams
from models_ml.spectra import adducts
from models_ml.spectra.formats.supported import SUPPORTED

NO_ADDUCT = ("", "None: these cannot be annotated")
POSITIVE_ADDUCTS = ("[M+H]+", "[M+Na]+", "[M+NH4]+", "[M+K]+", "[M]+", "[M-H2O+H]+")
NEGATIVE_ADDUCTS = ("[M-H]-", "[M+HCOO]-", "[M+CH3COO]-", "[M+Cl]-")
DEFAULTS = AnnotateParams()
POLICY_LABELS = {
    "fallback": "The file’s adduct; where it states none, the ones below",
    "detected": "Only the file’s adduct; nothing is assumed",
    "enforced": "Always the ones below, whatever the file states",
}
METHOD_LABELS = {
    "fused": "fused: all evidence, with probabilities",
    "glmr": "glmr: the published method, without probabilities",
}


class MultipleFileInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class MultipleFileField(forms.FileField):
    """One or more files. An empty file passes: the report names it, and the other files are read."""

    widget = MultipleFileInput

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, allow_empty_file=True, **kwargs)

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        files = data if isinstance(data, list | tuple) else [data]
        return [super(MultipleFileField, self).clean(file, initial) for file in files or [None]]


class ProjectForm(forms.Form):
    """The project that gets the spectra."""

    project = forms.ModelChoiceField(Project.objects.none(), label="Project", empty_label=None)

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["project"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = scope.projects(user, Role.SUBMITTER)


class FilesForm(ProjectForm):
    """The first step of a submission: only the files."""

    spectra = MultipleFileField(label="Spectra")

    def __init__(self, user: User, *args: Any, max_bytes: int, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.fields["spectra"].help_text = (
            f"{SUPPORTED}. The server recognises the format from the content. "
            f"Each file may have up to {filesizeformat(max_bytes)}. Only MS2 spectra are used. "
            "An invalid spectrum or file does not affect the others. A quantification table (CSV) that "
            "mzmine wrote beside an MGF can be dropped with it: its columns are kept with the features."
        )


class PeaksForm(ProjectForm):
    """One spectrum, entered by hand instead of a file."""

    precursor_mz = forms.FloatField(
        min_value=1e-6,
        max_value=100_000,
        label="Precursor m/z",
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )
    adduct = forms.CharField(
        required=False, max_length=40, label="Adduct", help_text="Such as [M+H]+. Leave it empty if unknown."
    )
    title = forms.CharField(required=False, max_length=200, label="Title")
    peaks = forms.CharField(
        max_length=pasted.MAX_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        label="Peaks",
        help_text="One in each line: the m/z, a blank and the intensity.",
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, auto_id="peaks_%s", **kwargs)

    def clean_adduct(self) -> str:
        text: str = self.cleaned_data["adduct"]
        adduct = adducts.normalise(text) if text else ""
        if adduct is None:
            raise forms.ValidationError(f"{text!r} is not an adduct. Write it like [M+H]+ or [M-H]-.")
        return adduct

    def clean_peaks(self) -> list[tuple[float, float]]:
        try:
            return pasted.parse_peaks(self.cleaned_data["peaks"])
        except pasted.BadPeaks as fault:
            raise forms.ValidationError(str(fault)) from None


class AccessionForm(ProjectForm):
    """One reference spectrum of this installation, by its accession."""

    accession = forms.CharField(
        max_length=300,
        label="Accession or USI",
        help_text="Of a reference spectrum on this server: MSBNK-… or mzspec:MASSBANK::accession:MSBNK-…",
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, auto_id="accession_%s", **kwargs)
        self._versions = scope.reference_versions(user).ready()

    def clean_accession(self) -> ReferenceSpectrum:
        text = self.cleaned_data["accession"]
        found = find_reference(self._versions, text)
        if found is None:
            raise forms.ValidationError(
                f"No reference spectrum on this server has the accession {accession_of(text)}. "
                "The server does not ask other servers: download the spectrum and upload the file."
            )
        return found


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
        initial=DEFAULTS.method,
        label="Ranking method",
        help_text="A model without a fused ranking uses glmr. Each result names its method.",
        error_messages={
            "invalid_choice": f"“%(value)s” is not a method. Choose one of: {', '.join(METHODS)}."
        },
    )
    precursor_tolerance_ppm = forms.FloatField(
        min_value=0.1,
        max_value=1000,
        initial=DEFAULTS.precursor_tolerance_ppm,
        label="Precursor tolerance (± ppm)",
        help_text="Molecules whose mass differs more from the neutral mass are not candidates.",
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )
    adduct_policy = forms.ChoiceField(
        choices=[(policy, POLICY_LABELS[policy]) for policy in ADDUCT_POLICIES],
        required=False,
        initial=DEFAULTS.adduct_policy,
        label="Which adduct counts",
    )
    positive_adduct = forms.ChoiceField(required=False, label="Positive mode")
    negative_adduct = forms.ChoiceField(required=False, label="Negative mode")
    accept_proposed_adducts = forms.BooleanField(
        required=False,
        label="Use the adducts that MS1 suggests",
        help_text="For features whose file states none. Results name the source of the adduct.",
    )
    priority = forms.TypedChoiceField(
        choices=Job.Priority.choices,
        coerce=lambda value: Job.Priority(int(value)),
        required=False,
        initial=Job.Priority.BATCH,
        label="Priority",
        help_text=f"Interactive jobs may have up to {actions.MAX_INTERACTIVE_FEATURES} features.",
    )

    def __init__(self, user: User, *args: Any, base: AnnotateParams | None = None, **kwargs: Any) -> None:
        """`base` has the parameters that the form does not show, such as those of the job to run again."""
        super().__init__(*args, **kwargs)
        self._base = base or DEFAULTS
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
        for mode, usual in (("positive", POSITIVE_ADDUCTS), ("negative", NEGATIVE_ADDUCTS)):
            offered = dict.fromkeys((*usual, *filter(None, [self._base.assumed_adducts.get(mode)])))
            field = self.fields[f"{mode}_adduct"]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [NO_ADDUCT, *((adduct, adduct) for adduct in offered)]

    def _set_choices(self, name: str, queryset: Any, initial: object = None) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = queryset
        field.initial = initial

    def params(self) -> AnnotateParams:
        """The job's parameters. Fields that are invalid or that were not sent have the values of `base`."""
        values = self.cleaned_data
        assumed = {"positive": values.get("positive_adduct"), "negative": values.get("negative_adduct")}
        return replace(
            self._base,
            method=values.get("method") or self._base.method,
            precursor_tolerance_ppm=values.get("precursor_tolerance_ppm")
            or self._base.precursor_tolerance_ppm,
            accept_proposed_adducts=bool(values.get("accept_proposed_adducts")),
            assumed_adducts={mode: adduct for mode, adduct in assumed.items() if adduct},
            adduct_policy=values.get("adduct_policy") or self._base.adduct_policy,
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
