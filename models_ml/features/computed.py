"""Computes the features of a raw run from precursor, retention time and similarity.

1. Spectra of one polarity, adduct and charge whose precursors are near the strongest one, and whose retention
   times follow each other without a large gap, form a block.
2. Within a block, spectra with the same collision energy are compared; energies are joined by retention time.
   Spectra of different energies are not compared, because those of one molecule differ.
3. A spectrum that resembles no other is an outlier of its feature: noise, or another ion in the isolation
   window, explains that. It is a feature by itself only if it is strong and elutes apart. Spectra that
   resemble each other, but not the others, belong to another ion: they are a feature by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models_ml.features.compact import CompactSpectra, similarities
from models_ml.features.group import GroupingSettings

# A spectrum with at least this share of the signal of the strongest in its block is not noise.
STRONG_SHARE = 0.5
# Clusters of one block that a spectrum is compared with. More are noise.
_MAX_COMPARED = 50

Rows = NDArray[np.int64]


@dataclass(slots=True, eq=False)
class ComputedFeature:
    """Rows of the members. `similarity` is the smallest one of a member to the first of its energy."""

    rows: list[int]
    outliers: list[int] = field(default_factory=list)
    similarity: float = 1.0
    n_energies: int = 1


@dataclass(slots=True)
class _Cluster:
    leader: int  # the row with the strongest signal
    rows: list[int]
    similarity: float = 1.0


def compute_features(
    spectra: CompactSpectra, rows: Rows, settings: GroupingSettings
) -> list[ComputedFeature]:
    """The features of spectra of one run, polarity and adduct. Rows without a time are single features."""
    timed = np.isfinite(spectra.retention_time_s[rows]) & np.isfinite(spectra.precursor_mz[rows])
    features = [ComputedFeature([row]) for row in rows[~timed].tolist()]
    for component in _components(spectra, rows[timed], settings):
        for block in _blocks(spectra, component, settings):
            features += _features_of(spectra, block, settings)
    return features


def tolerance_mz(precursor_mz: float, settings: GroupingSettings) -> float:
    return max(precursor_mz * settings.precursor_ppm * 1e-6, settings.precursor_floor_mz)


def _components(spectra: CompactSpectra, rows: Rows, settings: GroupingSettings) -> Iterator[Rows]:
    """Parts that no block can cross: chains of near precursors, and in them chains of near times."""
    if rows.size == 0:
        return
    ordered = rows[np.argsort(spectra.precursor_mz[rows], kind="stable")]
    mz = spectra.precursor_mz[ordered]
    limits = np.maximum(mz[1:] * settings.precursor_ppm * 1e-6, settings.precursor_floor_mz)
    for chain in np.split(ordered, np.flatnonzero(np.diff(mz) > limits) + 1):
        yield from _chains_in_time(spectra, chain, settings)


def _chains_in_time(spectra: CompactSpectra, rows: Rows, settings: GroupingSettings) -> list[Rows]:
    if rows.size == 1:
        return [rows]
    ordered = rows[np.argsort(spectra.retention_time_s[rows], kind="stable")]
    gaps = np.diff(spectra.retention_time_s[ordered])
    return list(np.split(ordered, np.flatnonzero(gaps > settings.retention_gap_s) + 1))


def _blocks(spectra: CompactSpectra, component: Rows, settings: GroupingSettings) -> Iterator[Rows]:
    """Cut a component around its strongest spectra, so that long chains of precursors do not join."""
    remaining = component
    while remaining.size > 1:
        anchor = int(remaining[_strongest_first(spectra, remaining)[0]])
        centre = float(spectra.precursor_mz[anchor])
        near = np.abs(spectra.precursor_mz[remaining] - centre) <= tolerance_mz(centre, settings)
        near &= _same_charge(spectra, remaining, near, anchor)
        chains = _chains_in_time(spectra, remaining[near], settings)
        block = next(chain for chain in chains if anchor in chain)
        yield block
        remaining = remaining[~np.isin(remaining, block)]
    if remaining.size:
        yield remaining


def _same_charge(
    spectra: CompactSpectra, rows: Rows, near: NDArray[np.bool_], anchor: int
) -> NDArray[np.bool_]:
    """Whether the charges agree with that of the anchor. An unknown charge agrees with any.

    If that of the anchor is unknown, the strongest spectrum near it with a charge decides.
    """
    charges = spectra.charge[rows]
    charge = int(spectra.charge[anchor])
    if charge == 0:
        known = rows[near & (charges != 0)]
        if known.size == 0:
            return np.ones(rows.size, dtype=bool)
        charge = int(spectra.charge[known[_strongest_first(spectra, known)[0]]])
    agrees: NDArray[np.bool_] = (charges == 0) | (charges == charge)
    return agrees


def _strongest_first(spectra: CompactSpectra, rows: Rows) -> Rows:
    """Positions in `rows`. Ties by source index, so that the order of reading does not matter."""
    order: Rows = np.lexsort((spectra.index[rows], -spectra.signal[rows]))
    return order


def _features_of(spectra: CompactSpectra, block: Rows, settings: GroupingSettings) -> list[ComputedFeature]:
    if block.size == 1:
        return [ComputedFeature(block.tolist())]
    ordered = block[_strongest_first(spectra, block)]
    first = int(ordered[0])
    strong = STRONG_SHARE * float(spectra.signal[first])

    def is_apart(row: int) -> bool:
        distance_s = abs(float(spectra.retention_time_s[row] - spectra.retention_time_s[first]))
        return bool(spectra.signal[row] >= strong) and distance_s > settings.retention_gap_s / 2

    by_energy: dict[int, list[int]] = {}
    for row in ordered.tolist():
        by_energy.setdefault(int(spectra.energy[row]), []).append(row)
    # The energy with the most spectra first: its clusters are the features that other energies join.
    energies = sorted(by_energy.values(), key=len, reverse=True)
    features: list[ComputedFeature] = []
    leaders: list[int] = []
    lone: list[int] = []
    for rows in energies:
        taken: set[int] = set()
        clusters = _clusters(spectra, rows, settings)
        has_pair = any(len(cluster.rows) > 1 for cluster in clusters)
        for number, cluster in enumerate(clusters):
            is_first = number == 0 and not has_pair
            is_ion = is_first or len(cluster.rows) > 1 or is_apart(cluster.leader)
            if not is_ion:
                lone += cluster.rows
                continue
            free = [place for place in range(len(features)) if place not in taken]
            if rows is energies[0] or not free:
                taken.add(len(features))
                features.append(ComputedFeature(cluster.rows, similarity=cluster.similarity))
                leaders.append(cluster.leader)
                continue
            nearest = _nearest_in_time(spectra, cluster.leader, leaders, free)
            taken.add(nearest)
            features[nearest].rows = features[nearest].rows + cluster.rows
            features[nearest].similarity = min(features[nearest].similarity, cluster.similarity)
            features[nearest].n_energies += 1
    for row in lone:
        nearest = _nearest_in_time(spectra, row, leaders, list(range(len(features))))
        features[nearest].outliers.append(row)
    return features


def _nearest_in_time(spectra: CompactSpectra, row: int, leaders: list[int], places: list[int]) -> int:
    times = spectra.retention_time_s
    return min(places, key=lambda place: (abs(float(times[leaders[place]] - times[row])), place))


def _clusters(spectra: CompactSpectra, rows: list[int], settings: GroupingSettings) -> list[_Cluster]:
    """Spectra of one energy, strongest first. Each joins the leader that it resembles most, or leads."""
    clusters: list[_Cluster] = []
    for row in rows:
        if clusters:
            found = similarities(
                spectra,
                row,
                [cluster.leader for cluster in clusters[:_MAX_COMPARED]],
                settings.fragment_tolerance_mz,
            )
            best = int(np.argmax(found))
            if found[best] >= settings.min_similarity:
                clusters[best].rows.append(row)
                clusters[best].similarity = min(clusters[best].similarity, float(found[best]))
                continue
        clusters.append(_Cluster(row, [row]))
    return clusters
