"""mzML and mzXML: metadata, array encodings, and hostile documents."""

from __future__ import annotations

import base64
import gzip
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from models_ml.spectra.formats import ReadLimits, UnreadableFile
from tests.models_ml.spectra.builders import (
    PEAKS,
    PLAIN,
    ZLIB,
    binary_array,
    mzml_document,
    mzml_spectrum,
    read_all,
    term,
)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.dat"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_all_values_of_a_scan_are_read(tmp_path: Path, packed: bool) -> None:
    path = write(tmp_path, mzml_document(mzml_spectrum(7), mzml_spectrum(8, level="1")))
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    [spectrum], [skipped], report = read_all(path)
    assert spectrum.mz.tolist() == [mz for mz, _ in PEAKS]
    np.testing.assert_array_equal(
        spectrum.intensity, np.array([height for _, height in PEAKS], dtype=np.float32)
    )
    assert (spectrum.precursor_mz, spectrum.charge, spectrum.ion_mode) == (165.0546, 1, "positive")
    assert (spectrum.collision_energy, spectrum.collision_energy_ev) == ("30 eV", 30.0)
    assert spectrum.retention_time_s == 90.0
    assert spectrum.external_id == "scan=7"
    assert (skipped.severity, skipped.position) == ("skipped", "scan 8")
    assert (report.found, report.ms2, report.usable) == (2, 1, 1)


@pytest.mark.parametrize("selected", ["", term("MS:1000744", "selected ion m/z", "0")])
def test_the_isolation_target_replaces_a_missing_precursor_with_an_issue(
    tmp_path: Path, selected: str
) -> None:
    precursor = (
        "<precursorList><precursor><isolationWindow>"
        + term("MS:1000827", "isolation window target m/z", "165.1")
        + f"</isolationWindow><selectedIonList><selectedIon>{selected}</selectedIon></selectedIonList>"
        + "</precursor></precursorList>"
    )
    [spectrum], [issue], _ = read_all(write(tmp_path, mzml_document(mzml_spectrum(precursor=precursor))))
    assert spectrum.precursor_mz == 165.1
    assert (issue.severity, issue.code) == ("repaired", "isolation_target")


def test_a_missing_precursor_list_rejects_only_that_scan(tmp_path: Path) -> None:
    path = write(tmp_path, mzml_document(mzml_spectrum(1, precursor=""), mzml_spectrum(2)))
    spectra, [issue], _ = read_all(path)
    assert len(spectra) == 1
    assert (issue.position, issue.code) == ("scan 1", "no_precursor")


def arrays(mz: bytes, compression: str) -> str:
    heights = struct.pack("<3d", 1.0, 2.0, 3.0)
    return binary_array("MS:1000514", mz, compression) + binary_array("MS:1000515", heights)


MZ = struct.pack("<3d", 100.0, 200.0, 300.0)


@pytest.mark.parametrize(
    ("part", "length", "reason"),
    [
        (arrays(zlib.compress(bytes(80_000_000)), ZLIB), 3, "larger than the 88 bytes"),
        (arrays(zlib.compress(MZ)[:-6], ZLIB), 3, "cut off"),
        (arrays(b"not zlib data", ZLIB), 3, "damaged"),
        (arrays(MZ, PLAIN), 4, "4 values are announced.* 3"),
        (arrays(MZ[:-3], PLAIN), 3, "whole number"),
        (arrays(MZ, PLAIN), 10_000_000, "above the limit of 100,000"),
        (arrays(MZ, term("MS:1003999", "zstd compression")), 3, "zstd compression.* not supported"),
        (arrays(b"\xff" * 11, term("MS:1002312", "MS-Numpress linear compression")), 3, "Numpress"),
        (binary_array("MS:1000515", MZ), 3, "0 m/z values but 3"),
        ("", 3, "no peaks"),
    ],
)
def test_a_bad_array_rejects_only_that_scan(tmp_path: Path, part: str, length: int, reason: str) -> None:
    path = write(tmp_path, mzml_document(mzml_spectrum(1, arrays=part, length=length), mzml_spectrum(2)))
    spectra, [issue], _ = read_all(path)
    assert [spectrum.external_id for spectrum in spectra] == ["scan=2"]
    assert issue.severity == "rejected"
    assert issue.position == "scan 1"
    assert re.search(reason, issue.reason)


def test_doctype_and_entity_bomb_are_refused(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    prolog = f'<!DOCTYPE mzML [<!ENTITY l0 "lol">{entities}]>'
    bomb = mzml_document(mzml_spectrum(), prolog=prolog).replace("<run>", "<cvParam name='&l9;'/><run>")
    for text in (bomb, mzml_document(prolog='<!DOCTYPE mzML SYSTEM "file:///etc/passwd">')):
        with pytest.raises(UnreadableFile, match="DOCTYPE"):
            read_all(write(tmp_path, text))


def test_bytes_after_the_document_lose_no_spectrum(tmp_path: Path) -> None:
    spectra, [issue], report = read_all(write(tmp_path, mzml_document(mzml_spectrum()) + "\n>"))
    assert len(spectra) == 1
    assert (issue.index, issue.severity, issue.code) == (-1, "repaired", "trailing_bytes")
    assert report.file_issues == 1


def test_damaged_xml_gives_the_spectra_before_the_damage(tmp_path: Path) -> None:
    text = mzml_document(*(mzml_spectrum(number) for number in range(1, 60)))
    spectra, [issue], _ = read_all(write(tmp_path, text[: len(text) // 2]))
    assert 20 < len(spectra) < 35
    assert (issue.index, issue.code) == (-1, "broken_xml")


def test_limits_of_peaks_and_spectra(tmp_path: Path) -> None:
    path = write(tmp_path, mzml_document(mzml_spectrum(1), mzml_spectrum(2)))
    assert read_all(path, ReadLimits(max_peaks_per_spectrum=2))[2].rejected == 2
    with pytest.raises(UnreadableFile, match="more than 1 spectra"):
        read_all(path, ReadLimits(max_spectra=1))


def mzxml(peaks: str, attributes: str = 'compressionType="none" compressedLen="0"', count: int = 2) -> str:
    return (
        '<?xml version="1.0"?><mzXML xmlns="http://sashimi.sourceforge.net/schema_revision/mzXML_3.2"><msRun>'
        '<scan num="1" msLevel="1" peaksCount="0"><peaks precision="32"></peaks>'
        f'<scan num="2" msLevel="2" peaksCount="{count}" polarity="-" retentionTime="PT1M2.5S">'
        '<precursorMz precursorCharge="1">163.04</precursorMz>'
        f'<peaks precision="64" byteOrder="network" contentType="m/z-int" {attributes}>{peaks}</peaks>'
        "</scan></scan>"
        "</msRun></mzXML>"
    )


def test_mzxml_nested_scan(tmp_path: Path) -> None:
    data = struct.pack(">4d", 93.03, 5.0, 119.05, 9.0)
    packed = base64.b64encode(zlib.compress(data)).decode()
    [spectrum], [skipped], _ = read_all(write(tmp_path, mzxml(packed, 'compressionType="zlib"')))
    assert (spectrum.mz.tolist(), spectrum.intensity.tolist()) == ([93.03, 119.05], [5.0, 9.0])
    assert (spectrum.precursor_mz, spectrum.charge, spectrum.ion_mode) == (163.04, -1, "negative")
    assert spectrum.retention_time_s == 62.5
    assert skipped.position == "scan 1"


def test_mzxml_bomb_and_wrong_count_are_rejected(tmp_path: Path) -> None:
    bomb = base64.b64encode(zlib.compress(bytes(50_000_000))).decode()
    _, issues, _ = read_all(write(tmp_path, mzxml(bomb, 'compressionType="zlib"')))
    assert any(issue.code == "bad_array" and "larger than the 32 bytes" in issue.reason for issue in issues)
    _, issues, _ = read_all(write(tmp_path, mzxml(base64.b64encode(bytes(16)).decode())))
    assert any(issue.code == "bad_array" and "2 peaks are announced" in issue.reason for issue in issues)
