"""Read a spectrum file and group its spectra, in the bounded child process. Imports no Django."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from models_ml.features.grouping import FeatureGroup, Grouper, GroupingSettings
from models_ml.features.quantities import BadQuantities, attach_quantities, is_quantities, read_quantities
from models_ml.spectra.formats import (
    WHOLE_FILE,
    ReadLimits,
    SpectrumIssue,
    UnreadableFile,
    detect_format,
    read_spectra,
)
from models_ml.spectra.spectrum import Spectrum
from models_ml.spectra.splash import splash


@dataclass(frozen=True, slots=True)
class Detected:
    """The first item of a readable file."""

    format: str


@dataclass(frozen=True, slots=True)
class UsableSpectrum:
    """A usable spectrum, its index in the file and its SPLASH."""

    source_index: int
    spectrum: Spectrum
    splash: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The last item of a file that is refused as a whole. All items before it are void."""

    reason: str


_MAX_TABLE_LINE = 2 * 2**20
_ALONE = (
    "The file is a quantification table without its spectra. Submit it together with the MGF file that was "
    "exported with it, under a name that begins with that of the MGF file."
)

Item = Detected | UsableSpectrum | SpectrumIssue | FeatureGroup | Refused


@dataclass(frozen=True, slots=True)
class Table:
    """The quantification table of a file: where it is, and its name."""

    path: Path
    name: str


def read(
    path: Path, limits: ReadLimits, grouping: GroupingSettings | None = None, table: Table | None = None
) -> Iterator[Item]:
    """The items of the file, in order, then the features of its usable spectra. None: without features.

    With a `table`, the features have its columns, and one issue of the file says how many. A table that
    cannot be used costs nothing but its columns.
    """
    n_found, grouper = 0, Grouper(grouping) if grouping else None
    try:
        yield Detected(detect_format(path))
        for item in read_spectra(path, limits=limits):
            if isinstance(item, Spectrum):
                if grouper:
                    grouper.add(n_found, item)
                # What MS1 shows travels with the feature.
                yield UsableSpectrum(n_found, replace(item, survey=None), splash(item.mz, item.intensity))
                n_found += 1
                continue
            if grouper:
                grouper.note(item)
            yield replace(item, ms1=None)
            # A repaired spectrum follows its issue. A rejected or skipped spectrum has only the issue.
            if item.severity != "repaired" and item.index != WHOLE_FILE:
                n_found += 1
        if grouper:
            groups: Iterable[FeatureGroup] = grouper.groups()
            if table:
                groups, issue = _with_quantities(list(groups), table)
                yield issue
            yield from groups
    except UnreadableFile as refusal:
        yield Refused(_ALONE if _is_table(path) else str(refusal))


def _with_quantities(
    groups: list[FeatureGroup], table: Table
) -> tuple[Iterable[FeatureGroup], SpectrumIssue]:
    try:
        with table.path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            rows = read_quantities(_bounded(lines))
    except BadQuantities as error:
        reason = f"The quantification table {table.name} cannot be used. {error}"
        return groups, _about_table(
            "bad_quantities", reason, "Correct the table, and upload both files again."
        )
    attached, n_unused = attach_quantities(groups, rows)
    n_used = len(rows) - n_unused
    reason = (
        f"The quantification table {table.name} has {len(rows):,} rows. {n_used:,} belong to features of the "
        "file, and their columns are kept with them."
    )
    if not n_used:
        return groups, _about_table(
            "quantities_unused", reason, "Check that the row ID is the FEATURE_ID of the spectra file."
        )
    return attached, _about_table("quantities_read", reason, "No action needed.")


def _about_table(code: str, reason: str, remedy: str) -> SpectrumIssue:
    return SpectrumIssue(WHOLE_FILE, "quantification table", "repaired", code, reason, remedy)


def _bounded(lines: TextIO) -> Iterator[str]:
    """The lines, as long as each has a sensible length. Raises BadQuantities."""
    number = 1
    while line := lines.readline(_MAX_TABLE_LINE):
        if len(line) == _MAX_TABLE_LINE:
            raise BadQuantities(
                f"Line {number} has more than {_MAX_TABLE_LINE:,} characters. Check the file."
            )
        number += 1
        yield line


def _is_table(path: Path) -> bool:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        return is_quantities(lines.readline(_MAX_TABLE_LINE))
