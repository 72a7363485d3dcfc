"""A feature and what resembles it as a small graph: nodes in a circle, closer where they are more similar."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from django.urls import reverse

from annotation.references.matches import Match, cosine
from annotation.results.models import Annotation
from annotation.results.similar import (
    MAX_COMPARED,
    MIN_SIMILARITY,
    Neighbourhood,
    SimilarFeature,
    load_neighbourhood,
)
from models_ml.spectra.features import SpectrumFeatures, spectrum_features

WIDTH, HEIGHT = 640, 360
# Distance from the centre at similarity 1 and at MIN_SIMILARITY, as a share of the radius.
_NEAR, _FAR = 0.45, 1.0
_RADIUS_X, _RADIUS_Y = 235, 135


@dataclass(frozen=True, slots=True)
class Node:
    kind: str  # "own", "feature" or "reference"
    label: str
    detail: str  # the m/z
    url: str  # "": no page
    x: float
    y: float

    @property
    def label_y(self) -> float:
        """Above the node in the upper half, below it in the lower half, so that labels point outwards."""
        return self.y - 14 if self.y < HEIGHT / 2 else self.y + 22


@dataclass(frozen=True, slots=True)
class Edge:
    x1: float
    y1: float
    x2: float
    y2: float
    similarity: float

    @property
    def path(self) -> str:
        return f"M{self.x1:.1f} {self.y1:.1f}L{self.x2:.1f} {self.y2:.1f}"

    @property
    def width(self) -> float:
        return 0.75 + 4 * self.similarity


@dataclass(frozen=True, slots=True)
class Network:
    nodes: list[Node]  # the feature itself first
    edges: list[Edge]


def draw_network(neighbourhood: Neighbourhood) -> Network | None:
    """None if nothing resembles the feature. Edges between neighbours show the same similarity. No query."""
    if neighbourhood.own is None or not (neighbourhood.features or neighbourhood.references):
        return None
    spectra = [neighbourhood.own]
    nodes = [Node("own", "this feature", "", "", WIDTH / 2, HEIGHT / 2)]
    found: list[SimilarFeature | Match] = [*neighbourhood.features, *neighbourhood.references]
    for number, row in enumerate(found):
        x, y = _position(number, len(found), row.similarity)
        node, spectrum = _feature(row, x, y) if isinstance(row, SimilarFeature) else _reference(row, x, y)
        nodes.append(node)
        spectra.append(spectrum)
    edges = [
        Edge(nodes[i].x, nodes[i].y, nodes[j].x, nodes[j].y, similarity)
        for i, j in combinations(range(len(nodes)), 2)
        if (similarity := cosine(spectra[i], spectra[j])) >= MIN_SIMILARITY
    ]
    return Network(nodes, edges)


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    match: Match
    mz_difference: float


@dataclass(frozen=True, slots=True)
class FeatureRow:
    annotation: Annotation
    similarity: float
    mz_difference: float


def similar_context(annotation: Annotation) -> dict[str, Any]:
    """For the template of the list and the graph. At most three queries."""
    neighbourhood = load_neighbourhood(annotation)
    own_mz = annotation.spectrum.precursor_mz or 0.0
    return {
        "network": draw_network(neighbourhood),
        "features": [
            FeatureRow(row.annotation, row.similarity, (row.annotation.spectrum.precursor_mz or 0.0) - own_mz)
            for row in neighbourhood.features
        ],
        "references": [
            ReferenceRow(match, match.reference.precursor_mz - own_mz) for match in neighbourhood.references
        ],
        "least": MIN_SIMILARITY,
        "most": MAX_COMPARED,
    }


def _position(number: int, n: int, similarity: float) -> tuple[float, float]:
    angle = 2 * math.pi * number / n - math.pi / 2
    share = (1 - similarity) / (1 - MIN_SIMILARITY)
    distance = _NEAR + (_FAR - _NEAR) * share
    return (
        round(WIDTH / 2 + math.cos(angle) * _RADIUS_X * distance, 1),
        round(HEIGHT / 2 + math.sin(angle) * _RADIUS_Y * distance, 1),
    )


def _feature(row: SimilarFeature, x: float, y: float) -> tuple[Node, SpectrumFeatures]:
    annotation = row.annotation
    label = f"feature {annotation.item.position + 1}"
    url = reverse("annotation-detail", args=[annotation.public_id])
    node = Node("feature", label, f"{annotation.spectrum.precursor_mz:.4f}", url, x, y)
    return node, row.features


def _reference(match: Match, x: float, y: float) -> tuple[Node, SpectrumFeatures]:
    reference = match.reference
    label = (reference.title or reference.origin)[:24]
    node = Node("reference", label, f"{reference.precursor_mz:.4f}", "", x, y)
    return node, spectrum_features(reference.to_exchange(), reference.adduct)
