"""Spectra in zip and tar files are read member by member. Other members are ignored."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from models_ml.spectra.formats import ReadLimits, UnreadableFile, detect_format
from tests.models_ml.spectra.builders import mgf_block, mzml_document, mzml_spectrum, read_all

MEMBERS = {
    "set/one.mgf": mgf_block() + mgf_block("100.0 -4"),
    "set/README.md": "About this set of spectra.\n",
    "__MACOSX/set/._one.mgf": "rubbish",
    "set/run.xml": mzml_document(mzml_spectrum()),
}


def make_archive(path: Path, kind: str, members: dict[str, str]) -> Path:
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in members.items():
                archive.writestr(name, text)
        return path
    with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_members_of_several_formats(tmp_path: Path, kind: str) -> None:
    path = make_archive(tmp_path / "upload", kind, MEMBERS)
    spectra, issues, report = read_all(path)
    assert detect_format(path) == kind.partition(".")[0]
    assert len(spectra) == 2
    assert [issue.code for issue in issues] == ["bad_peak", "unreadable_member"]
    assert issues[0].position == "line 10 in member set/one.mgf"
    assert issues[1].position == "member set/README.md"
    assert (report.found, report.usable, report.rejected, report.file_issues) == (3, 2, 1, 1)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archive_without_spectra_is_refused(tmp_path: Path, kind: str) -> None:
    path = make_archive(tmp_path / "upload", kind, {"a.txt": "no spectra in this file\n"})
    with pytest.raises(UnreadableFile, match="holds no spectrum file"):
        read_all(path)


def test_gz_inside_zip_is_read_and_zip_inside_zip_is_not(tmp_path: Path) -> None:
    inner = make_archive(tmp_path / "inner.zip", "zip", MEMBERS)
    path = tmp_path / "upload.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one.mgf.gz", gzip.compress(mgf_block().encode()))
        archive.writestr("inner.zip", inner.read_bytes())
    spectra, [issue], _ = read_all(path)
    assert len(spectra) == 1
    assert issue.code == "unreadable_member"
    assert "zip archive" in issue.reason


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_bombs_and_too_many_members_stop_at_the_limits(tmp_path: Path, kind: str) -> None:
    many = make_archive(tmp_path / "many", kind, {f"{n}.mgf": mgf_block() for n in range(30)})
    with pytest.raises(UnreadableFile, match="more than 10 files"):
        read_all(many, ReadLimits(max_members=10))
    bomb = make_archive(tmp_path / "bomb", kind, {"a.mgf": mgf_block() * 100_000})
    assert bomb.stat().st_size < 100_000
    with pytest.raises(UnreadableFile, match="more than 1,000,000 bytes"):
        read_all(bomb, ReadLimits(max_file_bytes=1_000_000))


def test_a_damaged_archive_gives_the_members_before_the_damage(tmp_path: Path) -> None:
    texts = {f"{n}.mgf": mgf_block(*(f"{n + k}.{k}7 {k}" for k in range(1, 400))) for n in range(1, 40)}
    whole = make_archive(tmp_path / "whole", "tar.gz", texts).read_bytes()
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    spectra, issues, _ = read_all(cut)
    assert 5 < len(spectra) < 39
    assert issues[-1].code == "truncated_file"
    cut_zip = tmp_path / "cut.zip"
    cut_zip.write_bytes(make_archive(tmp_path / "whole.zip", "zip", texts).read_bytes()[:5000])
    with pytest.raises(UnreadableFile, match="zip archive is damaged"):
        read_all(cut_zip)


def test_links_in_a_tar_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "upload.tar"
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("passwords.mgf")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        info = tarfile.TarInfo("one.mgf")
        info.size = len(mgf_block())
        archive.addfile(info, io.BytesIO(mgf_block().encode()))
    spectra, issues, _ = read_all(path)
    assert len(spectra) == 1
    assert issues == []


def test_oversized_tar_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "upload.tar"
    info = tarfile.TarInfo("one.mgf")
    info.pax_headers = {"comment": "x" * 3_000_000}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
    with pytest.raises(UnreadableFile, match="oversized header"):
        read_all(path)
