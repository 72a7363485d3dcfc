"""GraphML: a network of the features, with an edge where two spectra resemble each other.

Reads in Cytoscape, Gephi and networkx. The similarity is the cosine of the binned peaks and neutral losses
(square roots of intensity), as for analogs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from lxml import etree
from numpy.typing import NDArray

from annotation.exports.contents import CannotBuild, Contents
from annotation.exports.csv_text import plain_cell
from annotation.plain_text import clean
from annotation.results.view import ResultView
from annotation.spectra.records import to_exchange
from models_ml.evidence.analogs import ReferenceIndex
from models_ml.spectra.features import SpectrumFeatures, spectrum_features

NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
# Usual for molecular networks: fewer edges join what only shares common fragments.
LEAST_SIMILARITY = 0.7
MOST_NEIGHBOURS = 10
MIN_PEAKS = 4
# All peaks are compared with each other in memory.
MAX_FEATURES = 20_000
NODE_FIELDS = {
    "position": "int", "title": "string", "external_id": "string", "state": "string", "error": "string",
    "precursor_mz": "double", "retention_time_s": "double", "adduct": "string", "name": "string",
    "formula": "string", "smiles": "string", "inchikey_first_block": "string", "p_right": "double",
    "none_of_these": "boolean", "margin": "double", "level": "string", "verdict": "string",
}  # fmt: skip
EDGE_FIELDS = {"similarity": "double", "mz_difference": "double", "same_rank_1": "boolean"}


def write_graphml(contents: Contents, path: Path) -> int:
    """Returns the number of nodes. Raises CannotBuild for too many features."""
    if contents.n_features > MAX_FEATURES:
        raise CannotBuild(
            f"A network of {contents.n_features:,} features is too large; {MAX_FEATURES:,} are possible. "
            "Choose a narrower filter."
        )
    compared: list[tuple[int, SpectrumFeatures]] = []
    rank_1: dict[int, str] = {}
    with path.open("wb") as file, etree.xmlfile(file, encoding="utf-8") as document:
        document.write_declaration()
        with document.element("graphml", xmlns=NAMESPACE):
            _declare(document, contents)
            with document.element("graph", id="features", edgedefault="undirected"):
                for spectrum, result in contents.with_spectra():
                    _write_element(document, "node", {"id": f"n{result.position}"}, _node(result))
                    rank_1[result.position] = _rank_1_key(result)
                    adduct = result.annotation.adduct if result.annotation else spectrum.adduct
                    if spectrum.precursor_mz is not None:
                        features = spectrum_features(to_exchange(spectrum), adduct)
                        if len(features.mz) >= MIN_PEAKS:
                            compared.append((result.position, features))
                for first, second, values in _edges(compared, rank_1, contents):
                    _write_element(document, "edge", {"source": f"n{first}", "target": f"n{second}"}, values)
    return contents.n_features


def _declare(document: Any, contents: Contents) -> None:
    """The keys of nodes and edges, and where the network comes from."""
    for kind, fields in (("node", NODE_FIELDS), ("edge", EDGE_FIELDS)):
        for name, type_ in fields.items():
            attributes = {"id": f"{kind}_{name}", "for": kind, "attr.name": name, "attr.type": type_}
            document.write(etree.Element("key", attributes))
    facts = contents.facts() | {
        "least_similarity": LEAST_SIMILARITY,
        "most_neighbours": MOST_NEIGHBOURS,
    }
    for name in facts:
        attributes = {"id": f"graphml_{name}", "for": "graphml", "attr.name": name, "attr.type": "string"}
        document.write(etree.Element("key", attributes))
    for name, value in facts.items():
        _write_data(document, f"graphml_{name}", value)


def _node(result: ResultView) -> dict[str, object]:
    annotation = result.annotation
    best = annotation.candidates[0] if annotation and annotation.candidates else None
    verdict = annotation.verdict if annotation else None
    values: dict[str, object] = {
        "position": result.position,
        "title": result.spectrum.title,
        "external_id": result.spectrum.external_id,
        "state": result.state,
        "error": result.error,
        "precursor_mz": result.spectrum.precursor_mz,
        "retention_time_s": result.feature.retention_time_s,
        "adduct": annotation.adduct if annotation else result.spectrum.adduct,
        "p_right": annotation.p_right if annotation else None,
        "none_of_these": annotation.abstains if annotation else None,
        "margin": annotation.margin if annotation else None,
        "level": (verdict.level if verdict else "") or (annotation.proposed_level if annotation else ""),
        "verdict": verdict.decision if verdict else "",
    }
    if best is not None:
        values |= {
            "name": best.name,
            "formula": best.formula,
            "smiles": best.smiles,
            "inchikey_first_block": best.inchikey_first_block,
        }
    return values


def _rank_1_key(result: ResultView) -> str:
    candidates = result.annotation.candidates if result.annotation else ()
    return candidates[0].inchikey_first_block if candidates else ""


def _edges(
    compared: list[tuple[int, SpectrumFeatures]], rank_1: dict[int, str], contents: Contents
) -> Iterator[tuple[int, int, dict[str, object]]]:
    """Each pair once: a spectrum with its most similar ones above the least similarity."""
    if not compared:
        return
    features = [entry for _, entry in compared]
    index = ReferenceIndex(
        features, np.zeros((len(features), 256), np.uint8), [str(n) for n in range(len(features))]
    )
    seen: set[tuple[int, int]] = set()
    for row, (position, entry) in enumerate(compared):
        if row % 100 == 0:
            contents.on_round()
        similarities = index.similarities(entry)
        similarities[row] = 0.0
        for other in _nearest(similarities):
            pair = (min(row, other), max(row, other))
            if pair in seen:
                continue
            seen.add(pair)
            far = compared[other][0]
            yield (
                position,
                far,
                {
                    "similarity": min(1.0, float(similarities[other])),
                    "mz_difference": abs(entry.precursor_mz - features[other].precursor_mz),
                    "same_rank_1": bool(rank_1[position]) and rank_1[position] == rank_1[far],
                },
            )


def _nearest(similarities: NDArray[np.float64]) -> list[int]:
    similar = np.flatnonzero(similarities >= LEAST_SIMILARITY)
    order = similar[np.argsort(-similarities[similar], kind="stable")]
    return [int(row) for row in order[:MOST_NEIGHBOURS]]


def _write_element(document: Any, kind: str, attributes: dict[str, str], values: dict[str, object]) -> None:
    with document.element(kind, attributes):
        for name, value in values.items():
            _write_data(document, f"{kind}_{name}", value)
    document.flush()


def _write_data(document: Any, key: str, value: object) -> None:
    """XML refuses control characters, so they go."""
    text = clean(plain_cell(value))
    if text:
        element = etree.Element("data", {"key": key})
        element.text = text
        document.write(element)
