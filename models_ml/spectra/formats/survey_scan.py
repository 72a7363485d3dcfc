"""Keeps the last MS1 scan of each polarity while a run is read, and surveys the precursors of MS2 scans."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from models_ml.spectra.formats.binary_arrays import BadArray
from models_ml.spectra.formats.centroid import find_centroids, has_profile_shape
from models_ml.spectra.formats.items import Fault
from models_ml.spectra.ms1 import survey_precursor
from models_ml.spectra.spectrum import FloatArray, IonMode, isolation_window
from models_ml.spectra.survey import Survey

Peaks = tuple[FloatArray, FloatArray]

# An older scan shows another part of the chromatogram. A cycle of MS1 and MS2 scans takes 0.5 to 4 s.
MAX_AGE_S = 10.0


class SurveyScan:
    """One MS1 scan. Its arrays are decoded when the first MS2 scan needs them."""

    def __init__(self, position: str, retention_time_s: float | None, decode: Callable[[], Peaks]) -> None:
        self.position = position
        self.retention_time_s = retention_time_s
        self.problem = ""  # why it cannot be decoded
        self._decode: Callable[[], Peaks] | None = decode
        self._peaks: Peaks = (np.zeros(0), np.zeros(0))

    @property
    def peaks(self) -> Peaks:
        """Centroids in ascending m/z. Empty if the scan cannot be decoded; then `problem` says why."""
        if self._decode is not None:
            try:
                self._peaks = clean_ms1_peaks(*self._decode())
            except BadArray as error:
                self.problem = str(error)
            self._decode = None
        return self._peaks


class SurveyMemory:
    """The last MS1 scan of each polarity."""

    def __init__(self) -> None:
        self._scans: dict[str, SurveyScan] = {}

    def keep(self, polarity: str, scan: SurveyScan) -> None:
        self._scans[polarity] = scan

    def before(self, polarity: str, retention_time_s: float | None) -> SurveyScan | None:
        """The scan to survey an MS2 scan with. None if there is none, or if it is older than MAX_AGE_S."""
        scan = self._scans.get(polarity)
        if scan is None or scan.retention_time_s is None or retention_time_s is None:
            return scan
        return scan if abs(retention_time_s - scan.retention_time_s) <= MAX_AGE_S else None


def clean_ms1_peaks(mz: FloatArray, intensity: FloatArray) -> Peaks:
    """Usable peaks in ascending m/z. A profile, recognised by its shape, becomes centroids."""
    if mz.shape != intensity.shape:
        raise BadArray(f"the scan has {mz.size} m/z values but {intensity.size} intensities")
    usable = np.isfinite(mz) & np.isfinite(intensity) & (mz > 0) & (intensity >= 0)
    if not usable.all():
        mz, intensity = mz[usable], intensity[usable]
    if mz.size > 1 and float(np.diff(mz).min()) < 0:
        order = np.argsort(mz, kind="stable")
        mz, intensity = mz[order], intensity[order]
    if has_profile_shape(mz, intensity):
        mz, intensity = find_centroids(mz, intensity)
    positive = intensity > 0
    return mz[positive], intensity[positive]


def survey_scan(
    scan: SurveyScan | None,
    precursor_mz: float,
    charge: int | None,
    ion_mode: IonMode | None,
    fields: Mapping[str, str],
    repairs: list[Fault],
) -> Survey | None:
    """The survey of a precursor, with a repair where the scan is damaged or where it shows a selected M+1."""
    if scan is None:
        return None
    peaks = scan.peaks
    if scan.problem:
        reason = (
            f"The MS1 scan before it ({scan.position}) cannot be decoded: {scan.problem}. "
            "The isotope pattern and the purity are unknown."
        )
        repairs.append(Fault("bad_ms1", reason, "No action needed, or convert the original file again."))
        return None
    window = isolation_window(fields)
    survey = survey_precursor(
        peaks, precursor_mz, charge=charge, ion_mode=ion_mode, window=window, position=scan.position
    )
    if survey.selected_isotope:
        reason = (
            f"In the MS1 scan before it ({scan.position}), m/z {precursor_mz:.4f} is the isotope peak "
            f"M+{survey.selected_isotope} of m/z {survey.isotope_mz[0]:.4f}. The m/z of the selected ion is "
            "used, so its molecule will not be found."
        )
        remedy = "Correct the precursor m/z in the file if the lower m/z is right."
        repairs.append(Fault("isotope_selected", reason, remedy))
    return survey
