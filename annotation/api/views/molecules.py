"""Search for molecules in libraries, and one molecule with what the caller may see of it."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from annotation.api import openapi
from annotation.api.access import libraries, projects
from annotation.api.pagination import invalid_cursor, requested_limit
from annotation.api.problems import Problem
from annotation.api.serializers.molecules import KINDS, MoleculeHitPageSerializer, MoleculeSerializer
from annotation.api.views.base import View
from annotation.libraries.bounded_search import RETRY_AFTER_S, SearchBusy
from annotation.libraries.find.questions import (
    DEFAULT_PPM,
    DEFAULT_SIMILARITY,
    LEAST_SIMILARITY,
    MAX_PPM,
    MAX_TEXT,
    InvalidSearch,
)
from annotation.libraries.find.search import HitPage, InvalidCursor
from annotation.libraries.find.search_form import SearchForm, valid_search
from annotation.references.visible_molecules import visible_molecules
from annotation.review import molecule_record

MAX_RECORDS = 50
SEARCH_PARAMETERS = [
    OpenApiParameter(
        "q",
        {"type": "string", "maxLength": MAX_TEXT},
        required=True,
        description="A name, an ID, a formula, an InChIKey or its first block, an exact mass, a SMILES, an "
        "InChI or a SMARTS.",
    ),
    OpenApiParameter(
        "kind",
        str,
        enum=[value for value, _ in KINDS],
        description="What `q` is. By default its spelling decides, between all kinds but `similarity`.",
    ),
    OpenApiParameter("library", str, description="Name of the only library to search. By default all."),
    OpenApiParameter(
        "ppm",
        {"type": "number", "minimum": 0.01, "maximum": MAX_PPM, "default": DEFAULT_PPM},
        description="Tolerance of a mass whose text states none.",
    ),
    OpenApiParameter(
        "min_similarity",
        {"type": "number", "minimum": LEAST_SIMILARITY, "maximum": 1, "default": DEFAULT_SIMILARITY},
        description="Least Tanimoto similarity, for the kind `similarity`.",
    ),
    *openapi.PAGE,
]


class MoleculesView(View):
    @extend_schema(
        operation_id="search_molecules",
        parameters=SEARCH_PARAMETERS,
        responses={200: MoleculeHitPageSerializer, **openapi.SEARCH_PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """Search the libraries for molecules by name, formula, InChIKey, mass, structure or similarity.

        Salts, stereo and isotopes are not compared. Molecules with a substructure come lightest first, by
        pages that take a few seconds at most: such a page can be short, or even empty, and have a `next`.
        """
        limit, rows = requested_limit(request), libraries(request)
        try:
            search = valid_search(SearchForm(request.query_params, rows), rows)
            page = search.page(request.query_params.get("cursor", ""), limit)
        except InvalidSearch as invalid:
            raise serializers.ValidationError(dict(invalid.errors)) from None
        except InvalidCursor:
            raise invalid_cursor() from None
        except SearchBusy as busy:
            raise Problem(503, str(busy), headers={"Retry-After": str(RETRY_AFTER_S)}) from None
        return Response(MoleculeHitPageSerializer(_body(page, request), context={"request": request}).data)


class MoleculeView(View):
    @extend_schema(
        operation_id="get_molecule",
        parameters=[
            OpenApiParameter(
                "inchikey",
                OpenApiTypes.STR,
                OpenApiParameter.PATH,
                description="The first block of an InChIKey, or a whole one: only its first block counts.",
            )
        ],
        responses={200: MoleculeSerializer, **openapi.PROBLEMS},
    )
    def get(self, request: Request, inchikey: str) -> Response:
        """Show a molecule with its names, library versions, reference spectra and results."""
        seen = projects(request)
        block = inchikey.partition("-")[0].upper()
        molecule = get_object_or_404(visible_molecules(seen), inchikey_first_block=block)
        entries = molecule_record.entries_of(molecule, seen)
        candidates = list(molecule_record.candidates_of(molecule, seen)[:MAX_RECORDS])
        record = {
            "molecule": molecule,
            "names": molecule_record.names_of(entries),
            "libraries": entries,
            "reference_spectra": list(molecule_record.references_of(molecule, seen)[:MAX_RECORDS]),
            "annotations": molecule_record.with_verdicts(candidates),
        }
        return Response(MoleculeSerializer(record, context={"request": request}).data)


def _body(page: HitPage, request: Request) -> dict[str, Any]:
    following = replace_query_param(request.build_absolute_uri(), "cursor", page.cursor)
    return {
        "next": following if page.cursor else None,
        "previous": None,
        "results": page.hits,
        "kind": page.kind.value,
        "understood": page.understood,
        "alternatives": [kind.value for kind in page.alternatives],
        "note": page.note,
    }
