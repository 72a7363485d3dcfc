"""Damaged, foreign and hostile files: each gets a clear error, and its valid spectra are read."""

from __future__ import annotations

import contextlib
import gzip
import json
import pickle
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models_ml.spectra.formats import ReadLimits, SpectrumIssue, UnreadableFile, detect_format, read_spectra
from tests.models_ml.spectra.builders import PEAKS, mgf_block, mzml_document, mzml_spectrum, read_all


def write(tmp_path: Path, data: bytes | str, name: str = "file.dat") -> Path:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (gzip.compress(b"", mtime=0), "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (bytes(random.Random(1).randbytes(5000)), "binary"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"BZh91AY&SY", "bzip2"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        ("<mzML".encode("utf-16"), "UTF-16"),  # text in UTF-16 is read
        (b"<html><body>", "web page"),
        (b"<?xml version='1.0'?><mzData version='1.05'>", "mzData"),
        (b"<svg></svg>", "XML of an unknown format"),
        (b"dear all,\nplease find attached\n", "text of an unknown format"),
        (b"a\tb\n1\t2\n", "tab-separated"),
        (b"\x1f\x8b\x08\x00rubbish", "damaged from the start"),
        (b"{", "cannot be parsed"),
        (b'{"a": 1}', 'no list "spectra"'),
        (b"[" * 200_000, "nested too deeply"),
        (gzip.compress(gzip.compress(b"BEGIN IONS", mtime=0), mtime=0), "binary"),
    ],
)
def test_a_file_is_refused_with_what_it_is_and_a_remedy(tmp_path: Path, data: bytes, what: str) -> None:
    with pytest.raises(UnreadableFile, match=what) as caught:
        read_all(write(tmp_path, data))
    assert caught.value.where
    assert caught.value.remedy


def test_items_and_errors_can_be_pickled(tmp_path: Path) -> None:
    error = UnreadableFile("The file is empty", "at its beginning", "Check the export.")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301
    items = list(read_spectra(write(tmp_path, mgf_block(ADDUCT="?x") + mgf_block("1 -1"))))
    assert len(pickle.loads(pickle.dumps(items))) == len(items)  # noqa: S301


def test_the_file_extension_does_not_matter(tmp_path: Path) -> None:
    assert detect_format(write(tmp_path, mgf_block(), "spectra.mzML")) == "mgf"
    assert detect_format(write(tmp_path, gzip.compress(mgf_block().encode()), "plain.mgf")) == "mgf"
    assert detect_format(write(tmp_path, mzml_document(), "table.csv")) == "mzml"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1"])
def test_byte_order_mark_and_latin_1(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, mgf_block(NAME="β-Carotin").replace("β", "\xb5").encode(encoding))
    [spectrum], issues, _ = read_all(path)
    assert spectrum.metadata["NAME"] == "\xb5-Carotin"
    assert issues == []


@pytest.mark.parametrize(
    ("peaks", "code"),
    [
        (("100.0 nan",), "bad_peak"),
        (("100.0 inf",), "bad_peak"),
        (("nan 5",), "bad_peak"),
        (("100.0 -1",), "bad_peak"),
        (("0.0 5",), "bad_peak"),
        (("-3 5",), "bad_peak"),
        (("100.0",), "bad_peak"),
        (("100,512 20",), "ambiguous_number"),  # 100.512 or 100512
        (("1e999 3",), "bad_peak"),
        (("",), "no_peaks"),
        (("100.0 0",), "no_peaks"),
    ],
)
def test_a_bad_spectrum_does_not_affect_the_others(tmp_path: Path, peaks: tuple[str, ...], code: str) -> None:
    spectra, [issue], report = read_all(write(tmp_path, mgf_block() + mgf_block(*peaks) + mgf_block()))
    assert len(spectra) == 2
    assert (issue.index, issue.severity, issue.code) == (1, "rejected", code)
    assert issue.position == "line 10"
    assert report.rejected == 1


def test_a_truncated_gz_gives_the_spectra_before_the_end(tmp_path: Path) -> None:
    draws = random.Random(5)
    blocks = [
        mgf_block(*(f"{draws.uniform(50, 900):.5f} {draws.random():.6f}" for _ in range(50)))
        for _ in range(200)
    ]
    whole = gzip.compress("".join(blocks).encode())
    spectra, issues, report = read_all(write(tmp_path, whole[: len(whole) // 2]))
    assert 80 < len(spectra) < 110
    assert [issue.code for issue in issues] == ["unfinished_record", "truncated_file"]
    assert issues[-1].index == -1
    assert report.file_issues == 1


def test_a_damaged_gz_is_reported(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(mgf_block().encode() * 2000))
    whole[len(whole) // 2] ^= 0xFF
    _, issues, _ = read_all(write(tmp_path, bytes(whole)))
    assert issues[-1].code == "truncated_file"


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (ReadLimits(max_file_bytes=1000), "more than 1,000 bytes"),
        (ReadLimits(max_spectra=5), "more than 5 spectra"),
        (ReadLimits(max_line_length=10), "longer than 10 bytes"),
    ],
)
def test_limits_of_the_file(tmp_path: Path, limits: ReadLimits, what: str) -> None:
    with pytest.raises(UnreadableFile, match=what):
        read_all(write(tmp_path, gzip.compress(mgf_block().encode() * 20)), limits)


def test_limits_of_a_spectrum_reject_only_that_spectrum(tmp_path: Path) -> None:
    many = mgf_block(*("100.0 1" for _ in range(50)))
    wide = mgf_block(COMMENT="x" * 200)
    limits = ReadLimits(max_peaks_per_spectrum=10, max_field_length=100)
    spectra, issues, _ = read_all(write(tmp_path, mgf_block() + many + wide + mgf_block()), limits)
    assert len(spectra) == 2
    assert [issue.code for issue in issues] == ["too_many_peaks", "too_much_metadata"]


def test_json_spectra(tmp_path: Path) -> None:
    good = {
        "precursor_mz": 165.0546,
        "adduct": "M+H",
        "peaks": [list(peak) for peak in PEAKS],
        "external_id": 17,
        "retention_time_s": 61.5,
        "collision_energy_ev": 30,
    }
    bad = [
        {"precursor_mz": 1, "peaks": [["a", 1]]},
        5,
        {"precursor_mz": None, "peaks": [[1, 2]]},
        {"peaks": [[1, -2]]},
        {"precursor_mz": 165.0546, "peaks": [[100]]},
        {"precursor_mz": 165.0546, "peaks": [[10**400, 1]]},
    ]
    spectra, issues, _ = read_all(write(tmp_path, json.dumps({"spectra": [good, *bad, good]})))
    assert len(spectra) == 2
    assert (spectra[0].adduct, spectra[0].external_id, spectra[0].retention_time_s) == ("[M+H]+", "17", 61.5)
    assert spectra[0].collision_energy_ev == 30.0
    expected = ["bad_peak", "bad_record", "no_precursor", "bad_peak", "bad_peak", "bad_peak"]
    assert [issue.code for issue in issues] == expected
    assert issues[0].position == "$.spectra[1]"
    assert len(read_all(write(tmp_path, json.dumps([good])))[0]) == 1


STARTS = [
    b"BEGIN IONS\n",
    b"ACCESSION: x\n",
    b"NAME: x\nNum Peaks: 2\n",
    mzml_document(mzml_spectrum()).encode()[:900],
    b'{"spectra": [',
    b"\x1f\x8b",
    b"PK\x03\x04",
    b"",
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(STARTS), st.binary(max_size=200))
def test_any_bytes_give_items_or_an_unreadable_file(tmp_path: Path, start: bytes, rest: bytes) -> None:
    with contextlib.suppress(UnreadableFile):
        for item in read_spectra(write(tmp_path, start + rest)):
            assert not isinstance(item, SpectrumIssue) or item.reason


READ_UNDER_LIMIT = """
import resource, sys
from pathlib import Path
from models_ml.spectra.formats import read_spectra
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(1 for _ in read_spectra(Path(sys.argv[1])))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_long_file_is_streamed(tmp_path: Path) -> None:
    """Reading 30 MB of spectra from a small gz needs less than 12 MB."""
    path = tmp_path / "long.mgf.gz"
    block = mgf_block(*(f"{50 + n}.12345 {n + 1}.5" for n in range(600))).encode()
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(3_000):
            file.write(block)
    done = subprocess.run(
        [sys.executable, "-c", READ_UNDER_LIMIT, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    count, growth_kb = map(int, done.stdout.split())
    assert count == 3_000
    assert growth_kb < 12_000
