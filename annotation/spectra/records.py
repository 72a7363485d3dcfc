"""Convert spectra to database rows and back. Peaks do not change; text is cut to the size of its column."""

from __future__ import annotations

from typing import Any

import numpy as np

from annotation.plain_text import clean
from annotation.spectra.models import Feature, Spectrum, Upload
from models_ml.spectra import spectrum as exchange
from models_ml.spectra.survey import Survey

MAX_METADATA_FIELDS = 200
MAX_METADATA_TEXT = 2000


def _column_limit(column: str) -> int | None:
    limit: int | None = getattr(Spectrum._meta.get_field(column), "max_length", None)
    return limit


_LIMITS = {
    column: _column_limit(column)
    for column in (
        "title",
        "external_id",
        "adduct",
        "ion_mode",
        "collision_energy",
        "instrument",
        "instrument_type",
        "license",
        "claimed_inchikey",
        "sample_id",
    )
}


def to_row(upload: Upload, source_index: int, spectrum: exchange.Spectrum, splash: str) -> Spectrum:
    """An unsaved row of the upload. Fields that the file does not state are null or empty."""
    texts = {
        "title": spectrum.title,
        "external_id": spectrum.external_id,
        "adduct": spectrum.adduct or "",
        "ion_mode": spectrum.ion_mode or "",
        "collision_energy": spectrum.collision_energy,
        "instrument": spectrum.instrument,
        "instrument_type": spectrum.instrument_type,
        "license": spectrum.license,
        "claimed_inchikey": spectrum.inchikey,
        "sample_id": spectrum.sample_id,
    }
    return Spectrum(
        upload=upload,
        project_id=upload.project_id,
        source_index=source_index,
        precursor_mz=spectrum.precursor_mz,
        charge=spectrum.charge,
        ms_level=spectrum.ms_level,
        collision_energy_ev=spectrum.collision_energy_ev,
        retention_time_s=spectrum.retention_time_s,
        claimed_smiles=clean(spectrum.smiles),
        metadata=_clean_metadata(spectrum),
        n_peaks=spectrum.n_peaks,
        mz_bytes=np.asarray(spectrum.mz, dtype="<f8").tobytes(),
        intensity_bytes=np.asarray(spectrum.intensity, dtype="<f8").tobytes(),
        splash=splash,
        **{column: clean(text, _LIMITS[column]) for column, text in texts.items()},
    )


def _clean_metadata(spectrum: exchange.Spectrum) -> dict[str, str]:
    fields = list(spectrum.metadata.items())[:MAX_METADATA_FIELDS]
    return {clean(str(key), 200): clean(str(value), MAX_METADATA_TEXT) for key, value in fields}


def to_exchange(row: Spectrum) -> exchange.Spectrum:
    """The spectrum as a model receives it: the measurement, without the structure that the file states."""
    fields: dict[str, Any] = {"ion_mode": row.ion_mode or None, "adduct": row.adduct or None}
    return exchange.Spectrum(
        mz=row.mz,
        intensity=row.intensity,
        precursor_mz=row.precursor_mz,
        charge=row.charge,
        ms_level=row.ms_level,
        collision_energy=row.collision_energy,
        collision_energy_ev=row.collision_energy_ev,
        retention_time_s=row.retention_time_s,
        instrument=row.instrument,
        instrument_type=row.instrument_type,
        title=row.title,
        external_id=row.external_id,
        license=row.license,
        metadata=row.metadata,
        **fields,
    )


def to_survey(feature: Feature) -> Survey | None:
    """The isotope pattern that MS1 shows of a feature, as a model receives it; None without a pattern."""
    if not feature.isotope_mz or feature.precursor_mz is None:
        return None
    charge = abs(feature.charge or 1)
    return Survey(
        isotope_mz=np.array(feature.isotope_mz, np.float64),
        isotope_intensity=np.array(feature.isotope_intensity, np.float64),
        charge=charge,
        selected_isotope=round((feature.precursor_mz - feature.isotope_mz[0]) * charge),
        purity=feature.purity,
    )
