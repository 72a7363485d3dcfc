"""Written MGF gives equal spectra. Files are read as pyteomics reads them."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyteomics import mgf as pyteomics_mgf
from pyteomics import mzml as pyteomics_mzml
from pyteomics import mzxml as pyteomics_mzxml

from models_ml.spectra.formats import UnreadableFile
from models_ml.spectra.mgf_writer import write_mgf
from models_ml.spectra.spectrum import Spectrum
from tests.models_ml.spectra.builders import make_spectrum, read_all

numbers = st.floats(1e-3, 1e6, allow_nan=False)
words = st.text("abcXYZ 0123456789=:;#,.µ-", max_size=20).map(lambda text: " ".join(f"t {text}".split()))
# Adduct, charge and ion mode that agree, as a reader gives them.
ions = st.sampled_from(
    [
        ("[M+H]+", 1, "positive"),
        ("[M+2H]2+", 2, "positive"),
        ("[M-H]-", -1, "negative"),
        ("[2M+Na]+", 1, "positive"),
        (None, 2, "positive"),
        (None, -1, "negative"),
        (None, None, "negative"),
        (None, 1, None),  # an unsigned charge states no ion mode
        (None, 3, None),
        (None, None, None),
    ]
)


@st.composite
def spectra(draw: Any) -> Spectrum:
    peaks = draw(
        st.lists(st.tuples(numbers, numbers), min_size=1, max_size=19, unique_by=lambda peak: peak[0])
    )
    adduct, charge, ion_mode = draw(ions)
    precursor = draw(st.floats(1e-3, 1e5))
    half = draw(st.none() | st.floats(0.1, 4))
    window = (
        {
            "ISOLATION_WINDOW_LOWER": repr(precursor - half),
            "ISOLATION_WINDOW_UPPER": repr(precursor + half),
        }
        if half
        else {}
    )
    energy = draw(st.none() | st.floats(1, 100).map(lambda value: round(value, 2)))
    return make_spectrum(
        mz=np.array([mz for mz, _ in peaks]),
        intensity=np.array([height for _, height in peaks]),
        precursor_mz=precursor,
        adduct=adduct,
        charge=charge,
        ion_mode=ion_mode,
        ms_level=draw(st.sampled_from([None, 2])),
        retention_time_s=draw(st.none() | st.floats(0, 1e5)),
        collision_energy="" if energy is None else f"{energy} eV",
        collision_energy_ev=energy,
        title=draw(words),
        external_id=draw(words),
        instrument=draw(words),
        license=draw(words),
        metadata=window,
    )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(spectra(), min_size=1, max_size=3))
def test_written_mgf_is_read_back_equal(tmp_path: Path, originals: list[Spectrum]) -> None:
    stream = io.StringIO()
    write_mgf(originals, stream)
    path = tmp_path / "written.mgf"
    path.write_text(stream.getvalue(), encoding="utf-8")
    read_back, issues, _ = read_all(path)
    assert issues == []
    for found, original in zip(read_back, originals, strict=True):
        np.testing.assert_array_equal(found.mz, original.mz)
        np.testing.assert_array_equal(found.intensity, original.intensity)
        for field in dataclasses.fields(Spectrum):
            if field.name not in ("mz", "intensity", "metadata", "document"):
                assert getattr(found, field.name) == getattr(original, field.name), field.name
        assert found.isolation_window == original.isolation_window


def _entries(path: Path) -> list[tuple[Any, Any, float | None]]:
    """m/z, intensity and precursor of the MS2 spectra, by pyteomics."""
    if path.suffix == ".mgf":
        return [
            (entry["m/z array"], entry["intensity array"], entry["params"].get("pepmass", (None,))[0])
            for entry in pyteomics_mgf.MGF(str(path))
            if entry["params"].get("mslevel", "2") == "2"
        ]
    if path.suffix.lower() == ".mzml":
        return [
            (entry["m/z array"], entry["intensity array"], _selected(entry))
            for entry in pyteomics_mzml.MzML(str(path))
            if entry.get("ms level") == 2
        ]
    return [
        (entry["m/z array"], entry["intensity array"], entry["precursorMz"][0]["precursorMz"])
        for entry in pyteomics_mzxml.MzXML(str(path))
        if entry["msLevel"] == 2
    ]


def _selected(entry: dict[str, Any]) -> Any:
    precursor = entry["precursorList"]["precursor"][0]
    ions = precursor.get("selectedIonList", {}).get("selectedIon", [{}])
    return ions[0].get("selected ion m/z") or precursor["isolationWindow"].get("isolation window target m/z")


@pytest.mark.shared
def test_all_files_agree_with_pyteomics(shared_data: Path) -> None:
    """Except `reported`, whose values differ on purpose, and spectra that are refused or centroided."""
    paths = [
        path
        for path in sorted((shared_data / "formats").rglob("*"))
        if path.suffix.lower() in (".mgf", ".mzml", ".mzxml") and path.parent.name != "reported"
    ]
    pytest.importorskip("psims", reason="pyteomics reads mzML with psims")
    compared = 0
    for path in paths:
        try:
            found, issues, report = read_all(path)
        except UnreadableFile:
            continue
        changed = {"rejected"} & {issue.severity for issue in issues}
        if changed or report.usable == 0:
            continue
        for spectrum, (mz, intensity, precursor) in zip(found, _entries(path), strict=True):
            np.testing.assert_array_equal(spectrum.mz, mz)
            np.testing.assert_array_equal(spectrum.intensity, intensity)
            if precursor is not None:  # pyteomics knows only PEPMASS
                assert spectrum.precursor_mz == pytest.approx(float(precursor), abs=1e-9), path.name
            compared += 1
    assert compared > 400
