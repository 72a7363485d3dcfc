"""Keeps the MS1 blocks of text files until the end of the file, and surveys features with them.

A block may stand before or after the MS2 spectra of its feature.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import replace

import numpy as np

from models_ml.features.stated import LABEL_FLOOR_MZ, LABEL_PPM
from models_ml.spectra.ms1 import survey_precursor
from models_ml.spectra.spectrum import IonMode
from models_ml.spectra.survey import Document, Ms1Block, Survey

_MAX_PEAKS = 300  # strongest peaks of a block, for adducts
_PATTERN_MZ = (3.0, 8.0)  # below and above the precursor: all peaks of the isotope pattern are kept
_MAX_TIME_DIFFERENCE_S = 1.0  # of a block and a spectrum without labels


class Ms1Blocks:
    def __init__(self) -> None:
        self._labelled: dict[tuple[Document | None, str], list[Ms1Block]] = defaultdict(list)
        self._others: dict[Document | None, list[Ms1Block]] = defaultdict(list)
        self._is_sorted = True

    def add(self, block: Ms1Block) -> None:
        block = _reduce(block)
        if block.label:
            self._labelled[block.document, block.label].append(block)
        elif block.precursor_mz is not None:
            self._others[block.document].append(block)
            self._is_sorted = False

    def survey(
        self,
        document: Document | None,
        label: str,
        precursor_mz: float,
        charge: int | None,
        ion_mode: IonMode | None,
        retention_time_s: float | None,
    ) -> Survey | None:
        """The survey of a feature by the block of its label, or by one without label and the same precursor.

        Of several blocks that with the strongest precursor counts. None without a block.
        """
        if label:
            blocks = self._labelled.get((document, label), [])
        else:
            blocks = self._near(document, precursor_mz, retention_time_s)
        surveys = [
            survey_precursor(
                (block.mz, block.intensity),
                precursor_mz,
                charge=charge or block.charge,
                ion_mode=ion_mode,
                position=block.position,
            )
            for block in blocks
            if _agrees(block, precursor_mz, ion_mode)
        ]
        return max(surveys, key=strength_in_ms1, default=None)

    def _near(
        self, document: Document | None, precursor_mz: float, retention_time_s: float | None
    ) -> list[Ms1Block]:
        if not self._is_sorted:
            for blocks in self._others.values():
                blocks.sort(key=_precursor_of)
            self._is_sorted = True
        blocks = self._others.get(document, [])
        tolerance = max(precursor_mz * LABEL_PPM * 1e-6, LABEL_FLOOR_MZ)
        start = bisect_left(blocks, precursor_mz - tolerance, key=_precursor_of)
        end = bisect_right(blocks, precursor_mz + tolerance, key=_precursor_of)
        return [
            block for block in blocks[start:end]
            if block.retention_time_s is None or retention_time_s is None
            or abs(block.retention_time_s - retention_time_s) <= _MAX_TIME_DIFFERENCE_S
        ]  # fmt: skip


def strength_in_ms1(survey: Survey) -> tuple[bool, float]:
    """Order of surveys of one feature: with an isotope pattern first, then by the monoisotopic intensity."""
    return survey.has_pattern, float(survey.isotope_intensity[0]) if survey.isotope_intensity.size else 0.0


def _precursor_of(block: Ms1Block) -> float:
    return math.nan if block.precursor_mz is None else block.precursor_mz


def _agrees(block: Ms1Block, precursor_mz: float, ion_mode: IonMode | None) -> bool:
    if block.ion_mode and ion_mode and block.ion_mode != ion_mode:
        return False
    tolerance = max(precursor_mz * LABEL_PPM * 1e-6, LABEL_FLOOR_MZ)
    return block.precursor_mz is None or abs(block.precursor_mz - precursor_mz) <= tolerance


def _reduce(block: Ms1Block) -> Ms1Block:
    """Without the weak peaks that are far from the precursor, so that memory is bounded."""
    if block.mz.size <= _MAX_PEAKS:
        return block
    kept = np.zeros(block.mz.size, dtype=bool)
    kept[np.lexsort((block.mz, -block.intensity))[:_MAX_PEAKS]] = True
    if block.precursor_mz is not None:
        distance = block.mz - block.precursor_mz
        kept |= (distance > -_PATTERN_MZ[0]) & (distance < _PATTERN_MZ[1])
    return replace(block, mz=block.mz[kept], intensity=block.intensity[kept])
