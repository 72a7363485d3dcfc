"""Groups the spectra of a file into features while they are read.

Text files state their features by labels; those of raw runs are computed. Each spectrum is a member of one
feature, and the order of reading does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from models_ml.features.adduct_proposal import propose_adduct
from models_ml.features.compact import CompactSpectra, CompactTable
from models_ml.features.computed import ComputedFeature, Rows, compute_features
from models_ml.features.group import FeatureGroup, GroupedBy, GroupingSettings
from models_ml.features.ms1_blocks import Ms1Blocks, strength_in_ms1
from models_ml.features.stated import StatedFeature, stated_features
from models_ml.spectra.formats import SpectrumIssue
from models_ml.spectra.formats.feature_label import feature_label, scan_label
from models_ml.spectra.spectrum import IonMode, Spectrum
from models_ml.spectra.survey import Survey

__all__ = ["FeatureGroup", "Grouper", "GroupingSettings"]

_OFF = "Grouping is off, so each spectrum is a feature."
_RUN_NOT_COMPUTED = "Features of raw runs are not computed with this setting."
_NO_LABEL = "The file gives the spectrum no feature label."


class Grouper:
    """Collects the items of one file, then groups the spectra. Keeps some 20 peaks of each spectrum."""

    def __init__(self, settings: GroupingSettings | None = None) -> None:
        self.settings = settings or GroupingSettings()
        self._table = CompactTable(self.settings.fragment_tolerance_mz)
        self._is_run: list[bool] = []
        self._labels: list[tuple[str, str]] = []
        self._scans: list[str] = []
        self._surveys: list[Survey | None] = []
        self._blocks = Ms1Blocks()

    def add(self, index: int, spectrum: Spectrum) -> None:
        """Add a spectrum. `index` identifies it in the groups; each index is used once."""
        is_run = spectrum.document is not None and spectrum.document.is_run
        self._table.add(index, spectrum)
        self._is_run.append(is_run)
        self._labels.append(("", "") if is_run else feature_label(spectrum.metadata))
        self._scans.append("" if is_run else scan_label(spectrum.metadata))
        self._surveys.append(spectrum.survey)

    def note(self, issue: SpectrumIssue) -> None:
        """Take the MS1 block of a skipped record, if it has one. Other issues are ignored."""
        if issue.ms1 is not None:
            self._blocks.add(issue.ms1)

    def groups(self) -> list[FeatureGroup]:
        """The features, in the order of their first members."""
        spectra = self._table.columns()
        is_run = np.array(self._is_run, dtype=bool)
        everything = range(spectra.index.size)
        if self.settings.mode == "off":
            found = [self._single(spectra, row, _OFF) for row in everything]
        else:
            found = self._of_files(spectra, np.flatnonzero(~is_run).tolist())
            runs = np.flatnonzero(is_run)
            if self.settings.mode == "auto":
                found += self._of_runs(spectra, runs)
            else:
                found += [self._single(spectra, row, _RUN_NOT_COMPUTED) for row in runs.tolist()]
        return sorted(found, key=lambda group: group.members[0])

    def _of_files(self, spectra: CompactSpectra, rows: list[int]) -> list[FeatureGroup]:
        stated, unlabelled = stated_features(spectra, self._table.origins, self._labels, self._scans, rows)
        found = [
            self._group(spectra, feature.rows, [], "file", _why_stated(feature), _shown(feature))
            for feature in stated
        ]
        return found + [self._single(spectra, row, _NO_LABEL) for row in unlabelled]

    def _of_runs(self, spectra: CompactSpectra, runs: Rows) -> list[FeatureGroup]:
        found = []
        ordered = runs[np.argsort(spectra.origin[runs], kind="stable")]
        borders = np.flatnonzero(np.diff(spectra.origin[ordered])) + 1
        for rows in np.split(ordered, borders) if ordered.size else []:
            for feature in compute_features(spectra, rows, self.settings):
                if len(feature.rows) + len(feature.outliers) == 1:
                    found.append(self._single(spectra, feature.rows[0], self._why_alone(spectra, feature)))
                else:
                    reason = _why_computed(spectra, feature)
                    found.append(self._group(spectra, feature.rows, feature.outliers, "computed", reason))
        return found

    def _why_alone(self, spectra: CompactSpectra, feature: ComputedFeature) -> str:
        row = feature.rows[0]
        if not np.isfinite(spectra.retention_time_s[row]):
            return "The scan has no retention time, so it is not grouped."
        return (
            f"No other similar scan has this precursor within {self.settings.precursor_ppm:g} ppm and "
            f"{self.settings.retention_gap_s:g} s."
        )

    def _single(self, spectra: CompactSpectra, row: int, reason: str) -> FeatureGroup:
        return self._group(spectra, [row], [], "single", reason)

    def _group(
        self,
        spectra: CompactSpectra,
        rows: list[int],
        outliers: list[int],
        grouped_by: GroupedBy,
        reason: str,
        label: str = "",
    ) -> FeatureGroup:
        best = min(rows, key=lambda row: (-float(spectra.signal[row]), int(spectra.index[row])))
        origin = self._table.origins[spectra.origin[best]]
        ion_mode: IonMode | None = None
        if origin.ion_mode:
            ion_mode = "positive" if origin.ion_mode == "positive" else "negative"
        precursor_mz, time = float(spectra.precursor_mz[best]), float(spectra.retention_time_s[best])
        charge = next((int(spectra.charge[row]) for row in (best, *rows) if spectra.charge[row]), None)
        surveys = [survey for row in rows if (survey := self._surveys[row]) is not None]
        if not surveys and not self._is_run[best]:
            own = self._blocks.survey(
                origin.document, self._labels[best][1], precursor_mz, charge, ion_mode,
                time if np.isfinite(time) else None,
            )  # fmt: skip
            surveys = [own] if own is not None else []
        return FeatureGroup(
            members=_indices(spectra, [*rows, *outliers]),
            grouped_by=grouped_by,
            reason=reason,
            representative=int(spectra.index[best]),
            label=label,
            precursor_mz=precursor_mz if np.isfinite(precursor_mz) else None,
            charge=charge,
            adduct=origin.adduct or None,
            ion_mode=ion_mode,
            retention_time_s=time if np.isfinite(time) else None,
            outliers=_indices(spectra, outliers),
            survey=max(surveys, key=strength_in_ms1, default=None),
            proposal=None if origin.adduct else propose_adduct(surveys),
        )


def _indices(spectra: CompactSpectra, rows: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(int(spectra.index[row]) for row in rows))


def _shown(feature: StatedFeature) -> str:
    """The label, unless our reader wrote it."""
    return "" if feature.field == "BLOCK" else feature.label


def _why_stated(feature: StatedFeature) -> str:
    count = len(feature.rows)
    spectra = "1 MS2 spectrum" if count == 1 else f"{count} MS2 spectra"
    reason = f"The file gives {spectra} the {feature.field} {feature.label[:60]}."
    if feature.field == "BLOCK":
        reason = f"{spectra} in one block of the file ({feature.label})."
    if feature.is_split:
        reason += (
            " Other spectra with this label have another precursor, charge, polarity, adduct or structure. "
            "They are other features."
        )
    return reason


def _why_computed(spectra: CompactSpectra, feature: ComputedFeature) -> str:
    rows = [*feature.rows, *feature.outliers]
    mz, times = spectra.precursor_mz[rows], spectra.retention_time_s[rows]
    spread_ppm = float((mz.max() - mz.min()) / mz.min() * 1e6)
    parts = [
        f"{len(rows)} scans of m/z {float(mz.mean()):.4f} within {spread_ppm:.1f} ppm and "
        f"{float(times.max() - times.min()):.1f} s."
    ]
    if len(feature.rows) > feature.n_energies:
        least = f"{feature.similarity:.2f}"
        parts.append(f"Scans with the same collision energy have a similarity of at least {least}.")
    if feature.n_energies > 1:
        parts.append(f"Precursor and retention time join {feature.n_energies} collision energies.")
    if feature.outliers:
        count = len(feature.outliers)
        resembles = "1 scan resembles" if count == 1 else f"{count} scans resemble"
        parts.append(f"{resembles} no other and {'is an outlier' if count == 1 else 'are outliers'}.")
    return " ".join(parts)
