"""How jobs are submitted over REST: their parameters, spectra and files."""

from __future__ import annotations

import math
from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from annotation.api.strict import MOST_ERRORS, Errors, StrictSerializer, unknown_names
from annotation.jobs import actions
from annotation.jobs.models import Job
from annotation.spectra.models import Upload
from models_ml.outcomes import ADDUCT_POLICIES, METHODS, RERANKS, AnnotateParams
from models_ml.spectra import adducts
from models_ml.spectra.formats.known_fields import is_known
from models_ml.spectra.formats.mona import is_mona

DEFAULTS = AnnotateParams()
PRIORITIES = [priority.name.lower() for priority in Job.Priority]
ION_MODES = ("positive", "negative")
METHOD_HELP = (
    "`fused` ranks candidates by all evidence channels together and gives calibrated probabilities. `glmr` "
    "ranks them as the GLMR paper describes, without probabilities."
)
NO_SPECTRUM = "Must be one spectrum: an object with precursor_mz and peaks."
NO_SPECTRA = "Must be a list of at least one spectrum."
# The channels of `models_ml.ranking.features`, which web processes do not import. A test compares them.
EVIDENCE_CHANNELS = ("fingerprint", "contrastive", "fragments", "predicted", "analogs")
LARGEST_NUMBER = 2**31 - 1  # of an integer in the database


class FiniteFloatField(serializers.FloatField):
    """Neither infinite nor NaN, which form fields could hold."""

    def to_internal_value(self, data: Any) -> float:
        value = super().to_internal_value(data)
        if not math.isfinite(value):
            raise serializers.ValidationError("Must be a finite number.")
        return value


class AssumedAdductsSerializer(StrictSerializer):
    """The adduct for spectra that state none, by ion mode."""

    positive = serializers.CharField(required=False, max_length=40)
    negative = serializers.CharField(required=False, max_length=40)

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        normalised, errors = {}, {}
        for ion_mode, text in attrs.items():
            adduct = adducts.normalise_assumed(text, ion_mode)
            if adduct is None:
                errors[ion_mode] = f"{text!r} is not a valid {ion_mode} adduct. Write it like [M+H]+."
            else:
                normalised[ion_mode] = adduct
        if errors:
            raise serializers.ValidationError(errors)
        return normalised


class ParametersSerializer(StrictSerializer):
    """Everything that changes a result, apart from spectrum, model, library and references."""

    method = serializers.ChoiceField(
        choices=METHODS,
        default=DEFAULTS.method,
        help_text=METHOD_HELP,
        error_messages={
            "invalid_choice": f"{{input!r}} is not a method. The methods are {', '.join(METHODS)}."
        },
    )
    precursor_tolerance_ppm = FiniteFloatField(
        min_value=0.01, max_value=1000, default=DEFAULTS.precursor_tolerance_ppm
    )
    n_candidates = serializers.IntegerField(
        min_value=1,
        max_value=200,
        default=DEFAULTS.n_candidates,
        help_text="Number of molecules that the pre-retrieval takes from the library.",
    )
    beam_size = serializers.IntegerField(min_value=1, max_value=20, default=DEFAULTS.beam_size)
    max_tokens = serializers.IntegerField(min_value=8, max_value=256, default=DEFAULTS.max_tokens)
    seed = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=DEFAULTS.seed)
    assumed_adducts = AssumedAdductsSerializer(required=False, default=dict)
    accept_proposed_adducts = serializers.BooleanField(
        default=DEFAULTS.accept_proposed_adducts,
        help_text="Use the adduct that MS1 suggests for a feature whose file states none. It goes before "
        "`assumed_adducts`. Results name it as `adduct_source` `ms1`.",
    )

    adduct_policy = serializers.ChoiceField(
        choices=ADDUCT_POLICIES,
        default=DEFAULTS.adduct_policy,
        help_text="Which adduct counts. `fallback`: the one of the file, else that of MS1 if accepted, else "
        "the one of `assumed_adducts`. `detected`: without `assumed_adducts`. `enforced`: always the one of "
        "`assumed_adducts`, whatever the file states; results then have `adduct_assumed`.",
    )

    # For comparisons. A job's answer states them, and can be sent back as it is.
    generate = serializers.BooleanField(
        default=DEFAULTS.generate,
        help_text="False: no language model; candidates stay in the order of retrieval.",
    )
    use_candidates = serializers.BooleanField(
        default=DEFAULTS.use_candidates,
        help_text="False: the language model sees the spectrum only.",
    )
    without_channel = serializers.ChoiceField(
        choices=EVIDENCE_CHANNELS,
        allow_blank=True,
        default=DEFAULTS.without_channel,
        help_text="An evidence channel that the method `fused` leaves out.",
    )
    syntax_constraint = serializers.BooleanField(
        default=DEFAULTS.syntax_constraint,
        help_text="Generate only texts that can still become a SMILES.",
    )
    mass_constraint = FiniteFloatField(
        min_value=0,
        max_value=100,
        default=DEFAULTS.mass_constraint,
        help_text="Penalty in nats for each factor e by which the mass of a generated text is off. 0: none.",
    )
    rerank = serializers.ChoiceField(
        choices=RERANKS, default=DEFAULTS.rerank, help_text="How the method `glmr` ranks."
    )
    rerank_weight = FiniteFloatField(
        min_value=0,
        max_value=1,
        default=DEFAULTS.rerank_weight,
        help_text="Weight of the similarity to generated molecules with `rerank` `blend`.",
    )


@extend_schema_serializer(component_name="Spectrum")  # as a request: SpectrumRequest
class SpectrumInputSerializer(serializers.Serializer[Any]):
    """One spectrum as JSON. The names that MGF, MSP and GNPS use for these fields are understood too.

    Only for the OpenAPI schema: the reader of JSON files checks each spectrum.
    """

    external_id = serializers.CharField(
        required=False, help_text="Your identifier of the spectrum. It is part of every answer and export."
    )
    title = serializers.CharField(required=False)
    precursor_mz = serializers.FloatField()
    charge = serializers.IntegerField(required=False, help_text="Signed: -1 for a singly charged anion.")
    adduct = serializers.CharField(required=False, help_text="In any common notation, such as [M+H]+.")
    ion_mode = serializers.ChoiceField(choices=ION_MODES, required=False)
    collision_energy = serializers.CharField(required=False, help_text="With its unit, such as 30 eV.")
    retention_time_s = serializers.FloatField(required=False)
    instrument = serializers.CharField(required=False)
    instrument_type = serializers.CharField(required=False)
    license = serializers.CharField(required=False)
    sample_id = serializers.CharField(
        required=False,
        help_text="Your identifier of the measured sample, if it differs from the `sample` of the job.",
    )
    feature_id = serializers.CharField(
        required=False, help_text="Spectra with the same value are annotated together, as one feature."
    )
    ms_level = serializers.IntegerField(required=False, help_text="Only spectra of level 2 are annotated.")
    smiles = serializers.CharField(
        required=False, help_text="The structure, if it is known. It never influences the ranking."
    )
    inchikey = serializers.CharField(required=False)
    formula = serializers.CharField(required=False)
    peaks = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(), min_length=2, max_length=2),
        help_text="Pairs of m/z and intensity.",
    )


@extend_schema_field(SpectrumInputSerializer(many=True))
class SpectraField(serializers.Field[Any, Any, Any, Any]):
    """Spectra as they were sent, with the names of their fields checked.

    A malformed spectrum is reported later, by the reader of JSON files, and the others are used.
    """

    default_error_messages = {"required": NO_SPECTRA, "null": NO_SPECTRA}

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list) or not data:
            raise serializers.ValidationError(NO_SPECTRA)
        known = tuple(SpectrumInputSerializer().fields)
        errors: dict[str, Errors] = {}
        for index, spectrum in enumerate(data):
            if isinstance(spectrum, dict) and not is_mona(spectrum):
                strange = [name for name in spectrum if name not in known and not is_known(name)]
                if strange:
                    errors[str(index)] = unknown_names(strange, known)
            if len(errors) == MOST_ERRORS:
                break
        if errors:
            raise serializers.ValidationError(errors)
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class SubmissionSerializer(StrictSerializer):
    """The fields that all ways of submitting share."""

    name = serializers.CharField(
        required=False, max_length=200, default="", help_text="Default: `external_id`, or the file name."
    )
    external_id = serializers.CharField(
        required=False, allow_blank=True, max_length=200, default="", help_text="Your identifier of the job."
    )
    unique_external_id = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Refuse the job with 409 if the project has another with this `external_id`, and refuse "
        "later jobs with it.",
    )
    project = serializers.SlugField(
        required=False,
        max_length=80,
        default="",
        help_text="Slug of the project. Needed only if you may submit to several.",
    )
    library = serializers.CharField(max_length=120, help_text="Name of the candidate library.")
    library_version = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=LARGEST_NUMBER,
        default=None,
        help_text="Default: the newest ready version.",
    )
    references = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=120,
        default="",
        help_text="Name of a collection of reference spectra, or `none`. Default: the newest ready version "
        "that the project may use.",
    )
    references_version = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=LARGEST_NUMBER,
        default=None,
        help_text="A version of the collection in `references`. Default: its newest ready version.",
    )
    model = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=100,
        default="",
        help_text="Name of a model, or the first characters of its `checkpoint_sha256`. Default: the default "
        "model of the server.",
    )
    sample = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=200,
        default="",
        help_text="Your identifier of the measured sample. Results and exports carry it.",
    )


class BatchSerializer(SubmissionSerializer):
    """The fields that both ways of submitting many spectra share."""

    grouping = serializers.ChoiceField(
        choices=Upload.Grouping.choices,
        required=False,
        default=Upload.Grouping.AUTO,
        help_text="Which spectra are annotated together, as one feature. `auto`: those with the same "
        "FEATURE_ID in the file; in mzML and mzXML runs those of the same ion. `off`: each spectrum alone.",
    )
    priority = serializers.ChoiceField(
        choices=PRIORITIES,
        required=False,
        default="batch",
        help_text="Workers serve `interactive` jobs before `batch` jobs. An interactive job may have up to "
        f"{actions.MAX_INTERACTIVE_FEATURES} features.",
    )
    repeats = serializers.UUIDField(
        required=False,
        allow_null=True,
        default=None,
        help_text="The job of the same project that this one runs again with other settings. Only stored.",
    )


@extend_schema_serializer(component_name="Job")  # as a request: JobRequest
class JobInputSerializer(BatchSerializer):
    """A new job with its spectra as JSON."""

    params = ParametersSerializer(required=False, default=dict)
    spectra = SpectraField()


@extend_schema_field(SpectrumInputSerializer())
class SpectrumField(SpectraField):
    """One spectrum, with the names of its fields checked."""

    default_error_messages = {"required": NO_SPECTRUM, "null": NO_SPECTRUM}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError(NO_SPECTRUM)
        try:
            return super().to_internal_value([data])[0]
        except serializers.ValidationError as invalid:
            raise serializers.ValidationError(invalid.detail["0"]) from None  # type: ignore[call-overload]


@extend_schema_serializer(component_name="Annotate")  # as a request: AnnotateRequest
class AnnotateInputSerializer(SubmissionSerializer):
    """One spectrum to annotate now."""

    params = ParametersSerializer(required=False, default=dict)
    spectrum = SpectrumField()


@extend_schema_serializer(component_name="JobFile")  # as a request: JobFileRequest
class JobFileInputSerializer(BatchSerializer):
    """A new job with its spectra in a file: MGF, MSP, MassBank, mzML, mzXML, SIRIUS or JSON, also compressed.

    The format is recognised by the content of the file.
    """

    file = serializers.FileField(allow_empty_file=True, max_length=255)
    params = serializers.JSONField(required=False, default=dict, help_text="The parameters as JSON text.")
    quantities = serializers.FileField(
        required=False,
        allow_null=True,
        default=None,
        max_length=255,
        help_text="The quantification table (CSV) that mzmine wrote beside the file. Its columns are kept "
        "with the features.",
    )

    def validate_params(self, value: Any) -> dict[str, Any]:
        params = ParametersSerializer(data=value)
        params.is_valid(raise_exception=True)
        return dict(params.validated_data)
