"""Results as the interface shows them: candidates with every score by its own name, provenance, verdicts."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.reverse import reverse

from annotation.jobs.models import JobItem
from annotation.references.matches import Match
from annotation.results.models import Annotation, Candidate, GeneratedMolecule
from annotation.review.models import Verdict
from annotation.spectra.models import Spectrum, Upload


class SpectrumShape(serializers.ModelSerializer[Spectrum]):
    upload = serializers.HyperlinkedRelatedField[Upload](view_name="api:upload", read_only=True)

    class Meta:
        model = Spectrum
        fields: tuple[str, ...] = (
            "external_id",
            "title",
            "source_index",
            "precursor_mz",
            "charge",
            "adduct",
            "ion_mode",
            "collision_energy",
            "collision_energy_ev",
            "retention_time_s",
            "instrument",
            "instrument_type",
            "license",
            "n_peaks",
            "splash",
            "upload",
        )


class MeasuredSpectrum(SpectrumShape):
    """With its peaks, exactly as they were sent."""

    peaks = serializers.SerializerMethodField()

    class Meta(SpectrumShape.Meta):
        fields = (*SpectrumShape.Meta.fields, "peaks")

    def get_peaks(self, spectrum: Spectrum) -> list[list[float]]:
        return [list(peak) for peak in zip(spectrum.mz.tolist(), spectrum.intensity.tolist(), strict=True)]


class CandidateShape(serializers.ModelSerializer[Candidate]):
    name = serializers.CharField(help_text="The library's name for it; empty if it has none.")
    smiles = serializers.CharField(source="molecule.smiles")
    inchikey_first_block = serializers.CharField(source="molecule.inchikey_first_block")
    formula = serializers.CharField(source="molecule.formula")
    exact_mass = serializers.FloatField(
        source="molecule.exact_mass", help_text="Neutral, monoisotopic, in Da."
    )

    evidence = serializers.DictField(
        child=serializers.FloatField(),
        help_text="Raw score of each further channel, such as `fingerprint`, `fragments`, `predicted`, "
        "`explained` (share of the intensity, 0 to 1) and `analogs`; larger is better. A channel that is "
        "missing had nothing to say.",
    )

    class Meta:
        model = Candidate
        fields: tuple[str, ...] = (
            "rank",
            "name",
            "smiles",
            "inchikey_first_block",
            "formula",
            "exact_mass",
            "mass_error_ppm",
            "retrieval_rank",
            "embedding_similarity",
            "generated_similarity",
            "probability",
            "evidence",
        )
        extra_kwargs = {  # as Django REST framework reads it
            "mass_error_ppm": {"help_text": "Measured less theoretical precursor m/z."},
            "retrieval_rank": {"help_text": "Before the re-ranking."},
            "embedding_similarity": {"help_text": "Of spectrum and molecule: a cosine, uncalibrated."},
            "generated_similarity": {
                "help_text": "To the molecules that the model wrote: a cosine, uncalibrated. Ranks with "
                "method `glmr`, has no weight with `fused`; null if nothing valid was written."
            },
            "probability": {"help_text": "That this is the molecule. Null with method `glmr`."},
        }


class GeneratedShape(serializers.ModelSerializer[GeneratedMolecule]):
    class Meta:
        model = GeneratedMolecule
        fields: tuple[str, ...] = (
            "beam_rank",
            "text",
            "smiles",
            "inchikey_first_block",
            "formula",
            "exact_mass",
            "mass_error_ppm",
            "log_likelihood",
            "in_library",
            "is_proposed",
        )


class VerdictShape(serializers.ModelSerializer[Verdict]):
    candidate_rank = serializers.IntegerField(source="candidate.rank", allow_null=True, default=None)
    smiles = serializers.SerializerMethodField(help_text="The structure decided for; empty if there is none.")
    decided_by = serializers.CharField(source="decided_by.username")

    class Meta:
        model = Verdict
        fields: tuple[str, ...] = (
            "id",
            "decision",
            "level",
            "candidate_rank",
            "smiles",
            "as_reference",
            "reason",
            "comment",
            "decided_by",
            "decided_at",
        )

    def get_smiles(self, verdict: Verdict) -> str:
        return verdict.proposed_smiles or (verdict.candidate.molecule.smiles if verdict.candidate else "")


class VerdictWithList(VerdictShape):
    """With ranks and scores as the curator saw them."""

    shown = serializers.DictField(read_only=True)

    class Meta(VerdictShape.Meta):
        fields = (*VerdictShape.Meta.fields, "shown")


class Provenance(serializers.ModelSerializer[Annotation]):
    """Everything that made the result, so that it can be made again."""

    model = serializers.CharField(source="job.model_version.name")
    method = serializers.CharField(help_text="What ranked; the parameters say what was asked for.")
    checkpoint_sha256 = serializers.CharField(source="job.model_version.checkpoint_sha256")
    ranking_sha256 = serializers.CharField(source="job.model_version.ranking_sha256")
    tokenizer_sha256 = serializers.CharField(source="job.model_version.tokenizer_sha256")
    library = serializers.CharField(source="job.library_version.library.name")
    library_version = serializers.IntegerField(source="job.library_version.number")
    library_sha256 = serializers.CharField(source="job.library_version.content_sha256")
    references = serializers.CharField(
        source="job.reference_version.collection.name", allow_null=True, default=None
    )
    references_version = serializers.IntegerField(
        source="job.reference_version.number", allow_null=True, default=None
    )
    references_sha256 = serializers.CharField(
        source="job.reference_version.content_sha256", allow_null=True, default=None
    )
    params = serializers.DictField(source="job.params")
    params_sha256 = serializers.CharField(source="job.params_sha256")
    submitted_by = serializers.CharField(source="job.submitted_by.username")
    submitted_at = serializers.DateTimeField(source="job.created_at")
    timings_s = serializers.DictField(child=serializers.FloatField())

    class Meta:
        model = Annotation
        fields: tuple[str, ...] = (
            "model",
            "method",
            "checkpoint_sha256",
            "ranking_sha256",
            "tokenizer_sha256",
            "library",
            "library_version",
            "library_sha256",
            "references",
            "references_version",
            "references_sha256",
            "params",
            "params_sha256",
            "submitted_by",
            "submitted_at",
            "code_version",
            "rdkit_version",
            "torch_version",
            "preprocessing_version",
            "device",
            "worker",
            "attempt",
            "timings_s",
            "created_at",
        )


class AnnotationShape(serializers.ModelSerializer[Annotation]):
    """The answer for one spectrum; `url` leads to all of it, provenance included."""

    id = serializers.UUIDField(source="public_id")
    url = serializers.HyperlinkedIdentityField(view_name="api:annotation", lookup_field="public_id")
    candidates = CandidateShape(many=True, source="shown_candidates")
    proposed_smiles = serializers.ListField(
        child=serializers.CharField(),
        help_text="Molecules that the model wrote, outside the library and of the precursor's mass. Never "
        "ranked.",
    )
    verdict = VerdictShape(source="latest_verdict", allow_null=True)

    class Meta:
        model = Annotation
        fields: tuple[str, ...] = (
            "id",
            "url",
            "adduct",
            "adduct_assumed",
            "neutral_mass",
            "n_in_window",
            "n_candidates",
            "proposed_level",
            "method",
            "p_right",
            "p_close",
            "p_absent",
            "abstains",
            "margin",
            "candidates",
            "proposed_smiles",
            "verdict",
        )
        extra_kwargs = {  # as Django REST framework reads it
            "method": {"help_text": "What ranked; `glmr` gives no probabilities, so they are null."},
            "p_right": {
                "help_text": "Probability that rank 1 is the molecule. Calibrated with a large library that "
                "lacked 3 in 100 molecules; too high for a small one, and says nothing of a single candidate."
            },
            "abstains": {
                "help_text": "Whether “none of these” were likelier than rank 1 if the library lacked one "
                "molecule in five."
            },
            "margin": {
                "help_text": "Rank 1 less rank 2: of probabilities with `fused`, of generated similarities "
                "with `glmr`. Null with fewer than two candidates."
            },
        }


class MatchShape(serializers.Serializer[Match]):
    """A reference spectrum of the same precursor."""

    title = serializers.CharField(source="reference.title")
    splash = serializers.CharField(source="reference.splash")
    origin = serializers.CharField(source="reference.origin", help_text="The file and place, or the verdict.")
    smiles = serializers.CharField(source="reference.molecule.smiles")
    inchikey_first_block = serializers.CharField(source="reference.molecule.inchikey_first_block")
    precursor_mz = serializers.FloatField(source="reference.precursor_mz")
    adduct = serializers.CharField(source="reference.adduct")
    collision_energy = serializers.CharField(source="reference.collision_energy")
    similarity = serializers.FloatField(help_text="Cosine of peaks and neutral losses in bins, 0 to 1.")


class AnnotationWhole(AnnotationShape):
    job = serializers.SerializerMethodField()
    spectrum = MeasuredSpectrum()
    generated = GeneratedShape(many=True)
    reference_matches = MatchShape(
        many=True, help_text="Most similar first; empty if the job names no reference spectra."
    )
    provenance = Provenance(source="*")
    verdicts = VerdictWithList(
        many=True, source="all_verdicts", help_text="Oldest first; the last one counts."
    )

    class Meta(AnnotationShape.Meta):
        fields = (
            *AnnotationShape.Meta.fields,
            "job",
            "spectrum",
            "generated",
            "reference_matches",
            "provenance",
            "verdicts",
        )

    def get_job(self, annotation: Annotation) -> str:
        return address(self.context["request"], "api:job", annotation.job.public_id)


class ItemShape(serializers.ModelSerializer[JobItem]):
    """One spectrum's place in the ledger."""

    external_id = serializers.CharField(source="spectrum.external_id")
    title = serializers.CharField(source="spectrum.title")

    class Meta:
        model = JobItem
        fields: tuple[str, ...] = (
            "position",
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


class ResultShape(serializers.ModelSerializer[JobItem]):
    """One spectrum of the job and what became of it: an annotation, or the reason why there is none."""

    spectrum = SpectrumShape()
    annotation = AnnotationShape(source="found", allow_null=True)

    class Meta:
        model = JobItem
        fields: tuple[str, ...] = ("position", "state", "error_code", "error", "spectrum", "annotation")


class VerdictRequest(serializers.Serializer[Any]):
    """A curator's decision. Departing from rank 1 needs a reason; a level better than 3 its evidence."""

    decision = serializers.ChoiceField(choices=Verdict.Decision.choices)
    level = serializers.ChoiceField(
        choices=Verdict.Level.choices, required=False, allow_blank=True, default=""
    )
    candidate_rank = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=32_767
    )
    proposed_smiles = serializers.CharField(required=False, allow_blank=True, default="")
    as_reference = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Let the spectrum serve as a reference; needs level 1, 2a or 2b.",
    )
    reason = serializers.CharField(required=False, allow_blank=True, default="")
    comment = serializers.CharField(required=False, allow_blank=True, default="")


def address(request: Request, name: str, *arguments: object) -> str:
    return reverse(name, args=arguments, request=request)
