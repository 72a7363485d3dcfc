"""Results in the REST interface: candidates with each score under its own name, provenance and verdicts.

The fields come from `results.view`. Add a field there, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from annotation.api.addresses import address
from annotation.api.serializers.from_view import ReadOnlyModelSerializer, ViewSerializer
from annotation.api.strict import StrictSerializer
from annotation.jobs.models import JobItem
from annotation.plain_text import LONGEST_SMILES, LONGEST_TEXT
from annotation.references.matches import Match
from annotation.results.view import (
    AnnotationView,
    CandidateView,
    FeatureView,
    FormulaView,
    GeneratedView,
    JobView,
    MemberView,
    ResultView,
    RunView,
    SpectrumView,
    VerdictView,
)
from annotation.review.models import Verdict


@dataclass(frozen=True, slots=True)
class SpectrumDetail(SpectrumView):
    """With its peaks, exactly as they were sent."""

    peaks: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class VerdictDetail(VerdictView):
    """With ranks and scores as the curator saw them."""

    shown: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AnnotationDetail(AnnotationView):
    """With its spectrum, matches, provenance and all verdicts."""

    job: JobView
    feature: FeatureView
    members: tuple[MemberView, ...]
    spectrum: SpectrumDetail
    reference_matches: tuple[Match, ...]
    verdicts: tuple[VerdictDetail, ...]
    sample: str


class FeatureSerializer(ViewSerializer):
    """One ion of one run, whose spectra are annotated together. Most features have one spectrum."""

    views = {"": FeatureView}


class MemberSerializer(ViewSerializer):
    """One spectrum of an annotated feature, and what it alone says."""

    views = {"": MemberView}


class SpectrumSerializer(ViewSerializer):
    """A measured spectrum without its peaks."""

    views = {"": SpectrumView}
    leave_out = frozenset({"upload_id"})
    upload = serializers.HyperlinkedIdentityField(
        view_name="api:upload", lookup_field="upload_id", lookup_url_kwarg="pk"
    )


class SpectrumDetailSerializer(SpectrumSerializer):
    """A measured spectrum with its peaks, exactly as they were sent."""

    peaks = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(), min_length=2, max_length=2),
        help_text="Pairs of m/z and intensity.",
    )


class CandidateSerializer(ViewSerializer):
    """A ranked molecule of the library."""

    views = {"": CandidateView}


class FormulaCandidateSerializer(ViewSerializer):
    """A molecular formula within the precursor tolerance, ranked without the library."""

    views = {"": FormulaView}


class GeneratedMoleculeSerializer(ViewSerializer):
    """A molecule that the language model generated. Never ranked."""

    views = {"": GeneratedView}


class VerdictSerializer(ViewSerializer):
    """The decision of a curator."""

    views = {"": VerdictView}
    decision = serializers.ChoiceField(choices=Verdict.Decision.choices)
    level = serializers.ChoiceField(
        choices=Verdict.Level.choices,
        allow_blank=True,
        help_text="Confidence level; empty if the verdict sets none.",
    )


class VerdictDetailSerializer(VerdictSerializer):
    """The decision of a curator, with ranks and scores as the curator saw them."""

    views = {"": VerdictDetail}


class ProvenanceSerializer(ViewSerializer):
    """Everything that determined the result, so that it can be computed again."""

    views = {"job": JobView, "run": RunView}
    leave_out = frozenset({"job_id", "job_external_id"})
    method = serializers.CharField(
        help_text="The method that ranked the candidates. `params` holds the one that was requested."
    )


class AnnotationSerializer(ViewSerializer):
    """The answer for one feature. `url` leads to all details, provenance included."""

    views = {"": AnnotationView}
    url = serializers.HyperlinkedIdentityField(
        view_name="api:annotation", lookup_field="id", lookup_url_kwarg="public_id"
    )
    candidates = CandidateSerializer(many=True, help_text="By rank. Empty in state `no_match`.")
    formulas = FormulaCandidateSerializer(many=True, help_text="By rank.")
    verdict = VerdictSerializer(allow_null=True, help_text="The latest verdict; null if there is none.")


class ReferenceMatchSerializer(serializers.Serializer[Match]):
    """A reference spectrum with the same precursor."""

    title = serializers.CharField(source="reference.title")
    splash = serializers.CharField(source="reference.splash")
    origin = serializers.CharField(
        source="reference.origin", help_text="File and position, or the verdict that made it a reference."
    )
    smiles = serializers.CharField(source="reference.molecule.smiles")
    inchikey_first_block = serializers.CharField(source="reference.molecule.inchikey_first_block")
    precursor_mz = serializers.FloatField(source="reference.precursor_mz")
    adduct = serializers.CharField(source="reference.adduct")
    collision_energy = serializers.CharField(source="reference.collision_energy")
    similarity = serializers.FloatField(
        help_text="Cosine similarity of binned peaks and neutral losses, 0 to 1."
    )


class AnnotationDetailSerializer(AnnotationSerializer):
    """The answer for one feature with all details."""

    job = serializers.SerializerMethodField()
    feature = FeatureSerializer()
    members = MemberSerializer(many=True, help_text="The spectra of the feature in the order of the file.")
    spectrum = SpectrumDetailSerializer()
    generated = GeneratedMoleculeSerializer(many=True, help_text="Most likely first.")
    reference_matches = ReferenceMatchSerializer(
        many=True, help_text="Most similar first; empty if the job uses no reference spectra."
    )
    provenance = ProvenanceSerializer(source="*")
    verdicts = VerdictDetailSerializer(many=True, help_text="Oldest first. The last one is current.")
    sample = serializers.CharField(help_text="The measured sample, as the submitter stated it for the file.")

    @extend_schema_field(OpenApiTypes.URI)
    def get_job(self, detail: AnnotationDetail) -> str:
        return address(self.context["request"], "api:job", detail.job.job_id)


class JobItemSerializer(ReadOnlyModelSerializer[JobItem]):
    """The processing state of one feature. Identifiers are those of the spectrum that represents it."""

    feature = FeatureSerializer()
    external_id = serializers.CharField(source="spectrum.external_id")
    title = serializers.CharField(source="spectrum.title")

    class Meta:
        model = JobItem
        fields: tuple[str, ...] = (
            "position",
            "feature",
            "external_id",
            "title",
            "state",
            "attempts",
            "error_code",
            "error",
            "worker",
            "started_at",
            "finished_at",
        )


class ResultSerializer(ViewSerializer):
    """One feature of the job and its result: an annotation, or the reason why there is none."""

    views = {"": ResultView}
    feature = FeatureSerializer()
    spectrum = SpectrumSerializer()
    annotation = AnnotationSerializer(allow_null=True)


@extend_schema_serializer(component_name="Verdict")  # as a request: VerdictRequest
class VerdictInputSerializer(StrictSerializer):
    """A new verdict. Every decision but `accept` needs a reason; a level better than 3 needs its evidence."""

    decision = serializers.ChoiceField(choices=Verdict.Decision.choices)
    level = serializers.ChoiceField(
        choices=Verdict.Level.choices,
        required=False,
        allow_blank=True,
        default="",
        help_text="By default the proposed level with `accept`, and 3 with another structure.",
    )
    candidate_rank = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        max_value=32_767,
        help_text="Needed for `choose`.",
    )
    proposed_smiles = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=LONGEST_SMILES,
        help_text="Needed for `propose`, refused otherwise.",
    )
    as_reference = serializers.BooleanField(
        required=False,
        default=False,
        help_text="The spectrum may serve as a reference for this structure. Needs level 1, 2a or 2b.",
    )
    reason = serializers.CharField(required=False, allow_blank=True, default="", max_length=LONGEST_TEXT)
    comment = serializers.CharField(required=False, allow_blank=True, default="", max_length=LONGEST_TEXT)
