"""Summarises the features of a file for its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models_ml.features.group import FeatureGroup


@dataclass(frozen=True, slots=True)
class GroupingSummary:
    n_spectra: int
    n_features: int
    n_outliers: int  # spectra
    members: Mapping[int, int]  # number of members -> number of features
    grouped_by: Mapping[str, int]  # "single", "file", "computed" -> number of features
    n_isotope_patterns: int  # features
    n_proposals: int  # features with a proposed adduct

    @property
    def text(self) -> str:
        """One sentence for the report of a file."""
        text = f"{_count(self.n_spectra, 'spectrum', 'spectra')} became {_count(self.n_features, 'feature')}"
        parts = [
            f"{self.grouped_by[kind]:,} {words}"
            for kind, words in (
                ("file", "by the labels of the file"),
                ("computed", "by precursor, retention time and similarity"),
                ("single", "with a single spectrum"),
            )
            if self.grouped_by.get(kind)
        ]
        outliers = f" {_count(self.n_outliers, 'spectrum is an outlier', 'spectra are outliers')}."
        return f"{text}: {', '.join(parts) or 'none'}.{outliers if self.n_outliers else ''}"


def summarise(groups: Sequence[FeatureGroup]) -> GroupingSummary:
    return GroupingSummary(
        n_spectra=sum(len(group.members) for group in groups),
        n_features=len(groups),
        n_outliers=sum(len(group.outliers) for group in groups),
        members=dict(sorted(Counter(len(group.members) for group in groups).items())),
        grouped_by=dict(Counter(group.grouped_by for group in groups)),
        n_isotope_patterns=sum(group.survey is not None and group.survey.has_pattern for group in groups),
        n_proposals=sum(group.proposal is not None for group in groups),
    )


def _count(number: int, singular: str, plural: str = "") -> str:
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
