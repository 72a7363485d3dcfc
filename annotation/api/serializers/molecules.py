"""Molecules of libraries in the REST interface: hits of a search, and one molecule with its records."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.api.addresses import address
from annotation.libraries.find.search import Hit
from annotation.libraries.find.search_form import KIND_LABELS
from annotation.libraries.models import LibraryEntry, Molecule
from annotation.review.models import Verdict
from annotation.review.molecule_record import Mention

KINDS = [(kind.value, label) for kind, label in KIND_LABELS.items()]


class MoleculeHitSerializer(serializers.Serializer[Any]):
    """A molecule that a search found."""

    inchikey_first_block = serializers.CharField(source="molecule.inchikey_first_block")
    url = serializers.SerializerMethodField()
    smiles = serializers.CharField(source="molecule.smiles", help_text="Without stereo, neutral.")
    formula = serializers.CharField(source="molecule.formula")
    exact_mass = serializers.FloatField(source="molecule.exact_mass", help_text="Da.")
    names = serializers.ListField(child=serializers.CharField(), help_text="In the libraries searched.")
    libraries = serializers.ListField(
        child=serializers.CharField(), help_text="Those of the libraries searched that have the molecule."
    )
    similarity = serializers.FloatField(
        allow_null=True, help_text="Tanimoto; null unless the kind is `similarity`."
    )
    mass_error_ppm = serializers.FloatField(
        allow_null=True, help_text="Of the molecule against the mass; null unless the kind is `mass`."
    )

    @extend_schema_field(OpenApiTypes.URI)
    def get_url(self, hit: Hit) -> str:
        return address(self.context["request"], "api:molecule", hit.molecule.inchikey_first_block)


class MoleculeHitPageSerializer(serializers.Serializer[Any]):
    """A page of a search, and how the text was understood."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True, help_text="Always null: a search only goes forward.")
    results = MoleculeHitSerializer(many=True)
    kind = serializers.ChoiceField(choices=KINDS, help_text="What the text was taken for.")
    understood = serializers.CharField(help_text="The question in words, for people.")
    alternatives = serializers.ListField(
        child=serializers.ChoiceField(choices=KINDS), help_text="What else the text could be."
    )
    note = serializers.CharField(
        allow_blank=True, help_text="Why the page is short although `next` is not null; else empty."
    )


class MoleculeEntrySerializer(serializers.Serializer[Any]):
    """A library version that has the molecule, and the molecule as the source has it."""

    library = serializers.CharField(source="version.library.name")
    version = serializers.IntegerField(source="version.number")
    version_url = serializers.SerializerMethodField()
    row_number = serializers.IntegerField(help_text="First row of the source with the molecule, from 1.")
    name = serializers.CharField()
    source_id = serializers.CharField()
    drawn_smiles = serializers.CharField(help_text="As drawn, with stereo and salts.")
    inchikey = serializers.CharField()

    @extend_schema_field(OpenApiTypes.URI)
    def get_version_url(self, entry: LibraryEntry) -> str:
        version = entry.version
        return address(self.context["request"], "api:library-version", version.library.name, version.number)


class MoleculeReferenceSerializer(serializers.Serializer[Any]):
    """A reference spectrum of the molecule."""

    collection = serializers.CharField(source="version.collection.name")
    version = serializers.IntegerField(source="version.number")
    title = serializers.CharField()
    splash = serializers.CharField()
    precursor_mz = serializers.FloatField()
    adduct = serializers.CharField()
    collision_energy = serializers.CharField()
    instrument = serializers.CharField()
    instrument_type = serializers.CharField()
    license = serializers.CharField()
    n_peaks = serializers.IntegerField()


class MoleculeMentionSerializer(serializers.Serializer[Any]):
    """A result whose rank 1 is the molecule."""

    annotation = serializers.UUIDField(source="candidate.annotation.public_id")
    url = serializers.SerializerMethodField()
    job = serializers.UUIDField(source="candidate.annotation.job.public_id")
    project = serializers.CharField(source="candidate.annotation.job.project.slug")
    created_at = serializers.DateTimeField(source="candidate.annotation.created_at")
    adduct = serializers.CharField(source="candidate.annotation.adduct")
    probability = serializers.FloatField(source="candidate.probability", allow_null=True)
    verdict = serializers.SerializerMethodField()

    @extend_schema_field(OpenApiTypes.URI)
    def get_url(self, mention: Mention) -> str:
        return address(self.context["request"], "api:annotation", mention.candidate.annotation.public_id)

    @extend_schema_field(serializers.ChoiceField(choices=Verdict.Decision.choices, allow_null=True))
    def get_verdict(self, mention: Mention) -> str | None:
        return mention.verdict.decision if mention.verdict else None


class MoleculeSerializer(serializers.Serializer[Any]):
    """A molecule with the libraries, reference spectra and results that you can see."""

    inchikey_first_block = serializers.CharField(source="molecule.inchikey_first_block")
    url = serializers.SerializerMethodField()
    smiles = serializers.CharField(source="molecule.smiles", help_text="Without stereo, neutral.")
    formula = serializers.CharField(source="molecule.formula")
    exact_mass = serializers.FloatField(source="molecule.exact_mass", help_text="Da.")
    names = serializers.ListField(child=serializers.CharField())
    libraries = MoleculeEntrySerializer(many=True, help_text="By name, newest version first; at most 200.")
    reference_spectra = MoleculeReferenceSerializer(many=True, help_text="The newest 50.")
    annotations = MoleculeMentionSerializer(
        many=True, help_text="The newest 50 results with the molecule as rank 1."
    )

    @extend_schema_field(OpenApiTypes.URI)
    def get_url(self, record: dict[str, Any]) -> str:
        molecule: Molecule = record["molecule"]
        return address(self.context["request"], "api:molecule", molecule.inchikey_first_block)
