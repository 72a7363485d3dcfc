"""Jobs as the interface takes and shows them."""

from __future__ import annotations

import math
from typing import Any

from rest_framework import serializers

from annotation.api.serializers.results import address
from annotation.api.serializers.uploads import Report
from annotation.jobs.models import Job, JobItem
from annotation.jobs.progress import Progress
from models_ml.outcomes import METHODS, AnnotateParams
from models_ml.spectra import adducts

DEFAULTS = AnnotateParams()


class AssumedAdducts(serializers.Serializer[Any]):
    positive = serializers.CharField(required=False, max_length=40)
    negative = serializers.CharField(required=False, max_length=40)

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        understood, errors = {}, {}
        for ion_mode, text in attrs.items():
            adduct = adducts.normalise(text, ion_mode)
            if adduct is None or (adducts.parse(adduct).charge > 0) != (ion_mode == "positive"):
                errors[ion_mode] = f"{text!r} is no {ion_mode} adduct that can be read. Write it like [M+H]+."
            else:
                understood[ion_mode] = adduct
        if errors:
            raise serializers.ValidationError(errors)
        return understood


class Params(serializers.Serializer[Any]):
    """All that changes a result, apart from spectrum, model and library. What is left out has its default."""

    method = serializers.ChoiceField(
        choices=METHODS,
        default=DEFAULTS.method,
        help_text="How candidates are ranked: `fused` by the channels of evidence together, with calibrated "
        "probabilities; `glmr` by what its paper describes, without.",
        error_messages={"invalid_choice": f"{{input!r}} is no method. It is one of {', '.join(METHODS)}."},
    )
    precursor_tolerance_ppm = serializers.FloatField(
        min_value=0.01, max_value=1000, default=DEFAULTS.precursor_tolerance_ppm
    )
    n_candidates = serializers.IntegerField(
        min_value=1, max_value=200, default=DEFAULTS.n_candidates, help_text="K of the pre-retrieval."
    )
    beam_size = serializers.IntegerField(min_value=1, max_value=20, default=DEFAULTS.beam_size)
    max_tokens = serializers.IntegerField(min_value=8, max_value=256, default=DEFAULTS.max_tokens)
    seed = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=DEFAULTS.seed)
    assumed_adducts = AssumedAdducts(
        required=False, default=dict, help_text="Adduct taken for spectra that name none, by ion mode."
    )

    def validate_precursor_tolerance_ppm(self, value: float) -> float:
        if not math.isfinite(value):
            raise serializers.ValidationError("Must be a finite number.")
        return value

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := sorted(set(data) - set(self.fields))):
            raise serializers.ValidationError({str(name): "There is no such parameter." for name in unknown})
        return super().to_internal_value(data)


class PeaksSpectrum(serializers.Serializer[Any]):
    """One spectrum as JSON. For the OpenAPI document: the reader of JSON files checks each one by itself."""

    external_id = serializers.CharField(required=False, help_text="Your own identifier, echoed everywhere.")
    title = serializers.CharField(required=False)
    precursor_mz = serializers.FloatField()
    charge = serializers.IntegerField(required=False, help_text="Signed: -1 for a singly charged anion.")
    adduct = serializers.CharField(required=False, help_text="In any common spelling, such as [M+H]+.")
    ion_mode = serializers.ChoiceField(choices=["positive", "negative"], required=False)
    collision_energy = serializers.CharField(required=False, help_text="With its unit, such as 30 eV.")
    retention_time_s = serializers.FloatField(required=False)
    instrument = serializers.CharField(required=False)
    instrument_type = serializers.CharField(required=False)
    license = serializers.CharField(required=False)
    peaks = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(), min_length=2, max_length=2),
        help_text="Pairs of m/z and intensity.",
    )


class JobRequest(serializers.Serializer[Any]):
    """Fields that both ways of submitting share."""

    name = serializers.CharField(required=False, max_length=200, default="")
    external_id = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")
    project = serializers.SlugField(
        required=False, max_length=80, default="", help_text="Only needed where a person has several."
    )
    library = serializers.CharField(max_length=120, help_text="Name of the candidate library.")
    library_version = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=2**31 - 1, default=None,
        help_text="Pin a version; the newest ready one unless told.",
    )  # fmt: skip
    references = serializers.CharField(
        required=False, allow_blank=True, max_length=120, default="",
        help_text="Name of a collection of reference spectra, or `none`; the newest ready one unless told.",
    )  # fmt: skip
    references_version = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=2**31 - 1, default=None,
        help_text="Pin a version of the collection named in `references`; its newest ready one unless told.",
    )  # fmt: skip
    model = serializers.CharField(
        required=False, allow_blank=True, max_length=100, default="",
        help_text="Name of a model, or the beginning of its checkpoint's SHA-256; else the default model.",
    )  # fmt: skip


class JobFromSpectra(JobRequest):
    """Spectra in the body."""

    params = Params(required=False)
    spectra = PeaksSpectrum(many=True)

    def to_internal_value(self, data: Any) -> Any:
        """Without looking into the spectra: one that is malformed is reported, and the others are used."""
        shared = JobRequest(data=data)
        params = Params(data=data.get("params") or {}) if isinstance(data, dict) else Params(data={})
        errors = {} if shared.is_valid() else dict(shared.errors)
        if not params.is_valid():
            errors["params"] = params.errors
        spectra = data.get("spectra") if isinstance(data, dict) else None
        if not isinstance(spectra, list) or not spectra:
            errors["spectra"] = ["Must be a list of at least one spectrum."]
        if errors:
            raise serializers.ValidationError(errors)
        return {**shared.validated_data, "params": params.validated_data, "spectra": spectra}


class JobFromFile(JobRequest):
    """Spectra in a file: MGF, MSP, MassBank, mzML, mzXML or JSON, also packed; told by its content."""

    file = serializers.FileField(allow_empty_file=True, max_length=255)
    params = serializers.JSONField(required=False, default=dict, help_text="The parameters, as JSON text.")

    def validate_params(self, value: Any) -> dict[str, Any]:
        params = Params(data=value)
        params.is_valid(raise_exception=True)
        return dict(params.validated_data)


class ProgressShape(serializers.Serializer[Progress]):
    total = serializers.IntegerField()
    pending = serializers.IntegerField()
    running = serializers.IntegerField()
    done = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    percent = serializers.FloatField(help_text="Rounded down: 100 means all of it.")
    stalled = serializers.BooleanField(help_text="Work is open and no worker gives a sign of life.")
    waiting_for = serializers.CharField(help_text="What is waited for; empty while nothing is.")
    last_heartbeat = serializers.DateTimeField(allow_null=True, help_text="Of any worker.")
    rate_per_s = serializers.FloatField(allow_null=True)
    eta_s = serializers.FloatField(allow_null=True)
    ahead_in_queue = serializers.IntegerField(help_text="Open spectra of jobs submitted before.")


class PinnedLibrary(serializers.Serializer[Any]):
    name = serializers.CharField(source="library.name")
    version = serializers.IntegerField(source="number")
    content_sha256 = serializers.CharField()


class PinnedReferences(serializers.Serializer[Any]):
    name = serializers.CharField(source="collection.name")
    version = serializers.IntegerField(source="number")
    content_sha256 = serializers.CharField()


class PinnedModel(serializers.Serializer[Any]):
    name = serializers.CharField()
    method = serializers.CharField(help_text="The model's family; what ranks is `params.method`.")
    checkpoint_sha256 = serializers.CharField()
    ranking_sha256 = serializers.CharField(help_text="Empty: the model ranks by glmr alone.")


class Links(serializers.Serializer[Any]):
    self = serializers.URLField()
    items = serializers.URLField()
    results = serializers.URLField()
    results_csv = serializers.URLField()
    cancel = serializers.URLField()
    retry = serializers.URLField()


class JobShape(serializers.ModelSerializer[Job]):
    id = serializers.UUIDField(source="public_id")
    project = serializers.CharField(source="project.slug")
    state = serializers.ChoiceField(choices=Job.State.choices)
    progress = ProgressShape(source="known_progress")
    library = PinnedLibrary(source="library_version")
    references = PinnedReferences(source="reference_version", allow_null=True)
    model = PinnedModel(source="model_version")
    params = serializers.DictField()
    submitted_by = serializers.CharField(source="submitted_by.username")
    links = serializers.SerializerMethodField()

    class Meta:
        model = Job
        fields: tuple[str, ...] = (
            "id",
            "name",
            "external_id",
            "project",
            "state",
            "progress",
            "library",
            "references",
            "model",
            "params",
            "submitted_by",
            "created_at",
            "started_at",
            "updated_at",
            "cancel_requested_at",
            "finished_at",
            "links",
        )

    def get_links(self, job: Job) -> Links:
        request = self.context["request"]
        names = {"self": "job", "items": "job-items", "results": "job-results", "results_csv": "job-csv",
                 "cancel": "job-cancel", "retry": "job-retry"}  # fmt: skip
        # The annotation is what the OpenAPI document shows.
        return {key: address(request, f"api:{name}", job.public_id) for key, name in names.items()}  # type: ignore[return-value]


class JobAccepted(JobShape):
    """The job, and what became of the spectra that were sent."""

    upload = serializers.URLField()
    report = Report()

    class Meta(JobShape.Meta):
        fields = (*JobShape.Meta.fields, "upload", "report")


class Retried(serializers.Serializer[Any]):
    n_retried = serializers.IntegerField()
    job = JobShape()


class JobFilters(serializers.Serializer[Any]):
    updated_since = serializers.DateTimeField(
        required=False, help_text="Jobs changed at or after this time, oldest change first. For polling."
    )
    external_id = serializers.CharField(required=False, max_length=200)
    state = serializers.ChoiceField(choices=Job.State.choices, required=False)


class ItemFilters(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=JobItem.State.choices, required=False)


class ResultFilters(ItemFilters):
    top = serializers.IntegerField(
        required=False, min_value=1, max_value=200, default=1, help_text="Candidates for each spectrum."
    )


class CsvFilters(serializers.Serializer[Any]):
    top = serializers.IntegerField(
        required=False, min_value=1, max_value=200, default=1, help_text="Rows for each spectrum."
    )
