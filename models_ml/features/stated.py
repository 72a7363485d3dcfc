"""Reads features that a file states by labels. Spectra that cannot be one ion are kept apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models_ml.features.compact import CompactSpectra, Origin
from models_ml.spectra.survey import Document

# Precursors of one label may differ by rounding and by calibration; more means another ion.
LABEL_PPM, LABEL_FLOOR_MZ = 20.0, 0.01


@dataclass(slots=True)
class StatedFeature:
    field: str  # the name of the label, "FEATURE_ID"
    label: str
    rows: list[int]
    is_split: bool = False  # whether the label also has spectra that cannot be of this ion


def stated_features(
    spectra: CompactSpectra,
    origins: Sequence[Origin],
    labels: Sequence[tuple[str, str]],
    scans: Sequence[str],
    rows: Iterable[int],
) -> tuple[list[StatedFeature], list[int]]:
    """The features of labelled rows, and the rows without a label.

    SCANS counts as a label only in a document without other labels, if records share its values and no value
    joins different precursors: libraries number all their records 1.
    """
    by_label: dict[tuple[Document | None, str, str], list[int]] = defaultdict(list)
    by_scans: dict[Document | None, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    unlabelled: list[int] = []
    labelled_documents: set[Document | None] = set()
    for row in rows:
        document = origins[spectra.origin[row]].document
        field, label = labels[row]
        if label:
            by_label[document, field, label].append(row)
            labelled_documents.add(document)
        elif scans[row]:
            by_scans[document][scans[row]].append(row)
        else:
            unlabelled.append(row)
    for document, found in by_scans.items():
        if document not in labelled_documents and _are_labels(spectra, list(found.values())):
            for label, members in found.items():
                by_label[document, "SCANS", label] = members
        else:
            unlabelled += [row for members in found.values() for row in members]
    features = []
    for (_, field, label), members in by_label.items():
        parts = _consistent_parts(spectra, members)
        features += [StatedFeature(field, label, part, len(parts) > 1) for part in parts]
    return features, sorted(unlabelled)


def _are_labels(spectra: CompactSpectra, found: list[list[int]]) -> bool:
    shared = [members for members in found if len(members) > 1]
    return bool(shared) and all(len(_near_precursors(spectra, members)) == 1 for members in shared)


def _consistent_parts(spectra: CompactSpectra, rows: list[int]) -> list[list[int]]:
    """Split by polarity, adduct, structure, charge and precursor."""
    parts: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row in rows:
        parts[int(spectra.origin[row]), int(spectra.charge[row])].append(row)
    return [near for part in parts.values() for near in _near_precursors(spectra, part)]


def _near_precursors(spectra: CompactSpectra, rows: list[int]) -> list[list[int]]:
    """Parts in ascending precursor m/z. Each is within the tolerance above its lowest precursor."""
    ordered = sorted(rows, key=lambda row: (float(spectra.precursor_mz[row]), int(spectra.index[row])))
    parts: list[list[int]] = []
    lowest = float("nan")
    for row in ordered:
        mz = float(spectra.precursor_mz[row])
        if parts and mz - lowest <= max(lowest * LABEL_PPM * 1e-6, LABEL_FLOOR_MZ):
            parts[-1].append(row)
        else:
            parts.append([row])
            lowest = mz
    return parts
