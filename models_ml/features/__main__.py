"""Prints what a file's scans become: `python -m models_ml.features FILE...`."""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models_ml.features.group import FeatureGroup, GroupingSettings
from models_ml.features.grouping import Grouper
from models_ml.features.summary import summarise
from models_ml.spectra.formats import ReadLimits, SpectrumIssue, UnreadableFile, read_spectra
from models_ml.spectra.formats.fields import to_spectrum
from models_ml.spectra.formats.read import read_records
from models_ml.spectra.ms1 import survey_precursor
from models_ml.spectra.spectrum import Spectrum

# The control looks for partners at these distances from where they can be.
CONTROL_SHIFTS_MZ = (-0.05, -0.03, 0.03, 0.05)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m models_ml.features", description=__doc__)
    defaults = GroupingSettings()
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--mode", choices=("auto", "file", "off"), default=defaults.mode)
    parser.add_argument("--precursor-ppm", type=float, default=defaults.precursor_ppm)
    parser.add_argument("--retention-gap-s", type=float, default=defaults.retention_gap_s)
    parser.add_argument("--min-similarity", type=float, default=defaults.min_similarity)
    parser.add_argument("--list", action="store_true", help="print each feature with its reason")
    parser.add_argument(
        "--no-control", action="store_true", help="leave out the control of the adduct proposals"
    )
    options = parser.parse_args(arguments)
    settings = replace(
        defaults,
        mode=options.mode,
        precursor_ppm=options.precursor_ppm,
        retention_gap_s=options.retention_gap_s,
        min_similarity=options.min_similarity,
    )
    failed = False
    for path in options.files:
        try:
            _report(path, settings, listed=options.list, control=not options.no_control)
        except (UnreadableFile, OSError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            failed = True
    return 1 if failed else 0


def _report(path: Path, settings: GroupingSettings, *, listed: bool, control: bool) -> None:
    started = time.perf_counter()
    grouper, codes, n_ms2 = Grouper(settings), Counter[str](), 0
    purities: list[float] = []
    for item in read_spectra(path):
        if isinstance(item, SpectrumIssue):
            codes[f"{item.severity} {item.code}"] += 1
            grouper.note(item)
            continue
        grouper.add(n_ms2, item)
        n_ms2 += 1
        if item.survey is not None and item.survey.purity is not None:
            purities.append(item.survey.purity)
    read_s = time.perf_counter() - started
    groups = grouper.groups()
    seconds = time.perf_counter() - started
    summary = summarise(groups)
    print(path.name)
    print(f"  {n_ms2:,} usable MS2 spectra; issues: {_counts(codes)}")
    print(f"  {summary.text}")
    print(f"  members: {_counts(summary.members)}")
    print(f"  features with an isotope pattern: {summary.n_isotope_patterns:,}")
    if purities:
        quantiles = np.quantile(purities, (0.1, 0.25, 0.5, 0.75, 0.9))
        values = " ".join(f"{value:.2f}" for value in quantiles)
        print(f"  purity of {len(purities):,} spectra, quantiles 10 25 50 75 90 %: {values}")
    print(f"  proposed adducts: {summary.n_proposals:,} ({_counts(_proposals(groups))})")
    if control and summary.n_proposals:
        numbers = [_control(path, settings, shift) for shift in CONTROL_SHIFTS_MZ]
        print(f"  proposed adducts at shifted m/z (control): mean {np.mean(numbers):.1f} of {numbers}")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  read in {read_s:.2f} s, grouped in {seconds - read_s:.2f} s, peak memory {peak_mb:.0f} MB")
    for group in groups if listed else ():
        proposal = f" {group.proposal.adduct}: {group.proposal.reason}" if group.proposal else ""
        print(f"    m/z {group.precursor_mz or 0:.4f} {group.members} {group.reason}{proposal}")


def _control(path: Path, settings: GroupingSettings, shift_mz: float) -> int:
    """Number of features that get a proposal when the partners are looked for at shifted m/z."""
    grouper, n_ms2 = Grouper(settings), 0
    limits = ReadLimits()
    for record in read_records(path):
        if isinstance(record, SpectrumIssue):
            continue
        for item in to_spectrum(record, n_ms2, limits):
            if not isinstance(item, Spectrum):
                continue
            if record.survey_scan is not None and item.precursor_mz is not None:
                survey = survey_precursor(
                    record.survey_scan.peaks,
                    item.precursor_mz,
                    charge=item.charge,
                    ion_mode=item.ion_mode,
                    partner_shift_mz=shift_mz,
                )
                item = replace(item, survey=survey)
            grouper.add(n_ms2, item)
            n_ms2 += 1
    return summarise(grouper.groups()).n_proposals


def _proposals(groups: list[FeatureGroup]) -> Counter[str]:
    return Counter(group.proposal.adduct for group in groups if group.proposal)


def _counts(counter: Mapping[Any, int]) -> str:
    return ", ".join(f"{key}: {count:,}" for key, count in sorted(counter.items())) or "none"


if __name__ == "__main__":
    sys.exit(main())
