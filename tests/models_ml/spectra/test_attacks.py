"""Small hostile files end in seconds. The bounds are generous and in CPU time, for loaded machines."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from models_ml.spectra.formats import UnreadableFile
from models_ml.spectra.formats.claimed_structure import formula_masses, inchi_masses
from tests.models_ml.spectra.builders import mgf_block, read_all

BOUND_S = 6.0


@pytest.fixture
def within_bound() -> Callable[[Path], str]:
    def read(path: Path) -> str:
        """The codes of the issues, or the reason of the refusal."""
        start = time.process_time()
        try:
            result = " ".join(issue.code for issue in read_all(path)[1])
        except UnreadableFile as refusal:
            result = str(refusal)
        assert time.process_time() - start < BOUND_S
        return result

    return read


MSP = "NAME: x\nPRECURSORMZ: 180.1\nNum Peaks: 2\n{}\n"
LINES = {
    "colon pairs": MSP.format("1:1 " * 40 + "1" * 40 + "!"),
    "colon pairs without blanks": MSP.format("1:1," * 20_000 + "!"),
    "digits": MSP.format("1" * 100_000 + ":" + "1" * 100_000),
    "braces": MSP.format("(" * 100_000),
    "open quotes": MSP.format('1 1 "' * 50_000),
    "semicolons": MSP.format(";" * 200_000),
    "comment": f'NAME: x\nComment: {" a=" * 20_000}"\nNum Peaks: 1\n1 1\n',
    "quoted comment": f"NAME: x\nComment: {chr(34) + 'a=' * 20_000}\nNum Peaks: 1\n1 1\n",
    "header": "NAME: x\n" + "a" * 200_000 + "\nNum Peaks: 1\n1 1\n",
    "energy": mgf_block(COLLISION_ENERGY="CE " * 20_000),
    "energy with blanks": mgf_block(COLLISION_ENERGY="1" + " " * 60_000 + "x"),
    "energy of digits": mgf_block(COLLISION_ENERGY="1." * 30_000),
    "time": mgf_block(RT="1" * 60_000 + "x"),
    "time with blanks": mgf_block(RT="1" + " " * 60_000 + "x"),
    "charge": mgf_block(CHARGE="+" * 60_000),
    "pepmass": mgf_block(PEPMASS="1," * 30_000),
    "pepmass with blanks": mgf_block(PEPMASS="1 " * 30_000),
    "adduct": mgf_block(ADDUCT="[M" + "+H" * 30_000),
    "short adduct": mgf_block(ADDUCT="[M" + "+1" * 38 + "]"),
    "formula": mgf_block(ADDUCT="[M+H]+", FORMULA="C1" * 30_000 + "!"),
    "inchi": mgf_block(ADDUCT="[M+H]+", INCHI="InChI=1S/" + "C1" * 30_000),
    "numbers": mgf_block("1," * 50_000 + " 1"),
    "shared fields": "".join(f"a{number}=\n" for number in range(1_990)) + "BEGIN IONS\nEND IONS\n" * 40_000,
    "inherited fields": "NAME: x\n"
    + "".join(f"a{number}: 1\n" for number in range(1_990))
    + "Num Peaks: 1\n1 1\n"
    + "MSTYPE: MS2\nNum Peaks: 1\n1 1\n" * 20_000,
    "compound fields": ">compound a\n"
    + "".join(f">a{number} x\n" for number in range(1_990))
    + ">collision 1\n1 1\n" * 20_000,
    "groups of terms": '<mzML xmlns="http://psi.hupo.org/ms/mzml"><referenceableParamGroup id="a">'
    + '<cvParam accession="MS:1" name="a"/>' * 10_000
    + "</referenceableParamGroup><run><spectrumList>"
    + '<spectrum><referenceableParamGroupRef ref="a"/></spectrum>' * 9_000
    + "</spectrumList></run></mzML>",
    "head of mzSpecLib": "{" + " " * 60_000 + "[]",
}


@pytest.mark.parametrize("name", LINES)
def test_pathological_lines_take_linear_time(
    tmp_path: Path, name: str, within_bound: Callable[[Path], str]
) -> None:
    path = tmp_path / "file"
    path.write_text(LINES[name])
    within_bound(path)


def test_patterns_of_formulas_take_linear_time() -> None:
    start = time.process_time()
    for text in ("C1" * 49 + "!", "[13C]" * 19 + "!", "[" * 99, "C" * 99 + "+", "1" * 99):
        formula_masses(text)
        inchi_masses(f"InChI=1S/{text}/q+1")
    assert time.process_time() - start < 1


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE])
def test_a_tar_header_that_announces_a_terabyte(
    tmp_path: Path, kind: bytes, within_bound: Callable[[Path], str]
) -> None:
    info = tarfile.TarInfo("big.mgf")
    info.size, info.type = 2**40, kind
    path = tmp_path / "bomb.tar"
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + mgf_block().encode().ljust(9_728, b"\n"))
    assert within_bound(path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert within_bound(path)


def test_a_tar_header_of_digits(tmp_path: Path, within_bound: Callable[[Path], str]) -> None:
    info = tarfile.TarInfo("header")
    info.size, info.type = 900 * 1024, tarfile.XHDTYPE
    path = tmp_path / "digits.tar"
    path.write_bytes(info.tobuf() + b"9" * info.size + tarfile.TarInfo("b.mgf").tobuf())
    assert "damaged header" in within_bound(path)


def test_the_members_before_a_false_size_are_read(tmp_path: Path) -> None:
    stream = io.BytesIO()
    info = tarfile.TarInfo("a.mgf")
    data = mgf_block().encode()
    info.size = len(data)
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(info, io.BytesIO(data))
    bomb = tarfile.TarInfo("b.mgf")
    bomb.size = 2**40
    padded = data.ljust(-(-len(data) // 512) * 512, b"\0")
    path = tmp_path / "bomb.tar"
    path.write_bytes(info.tobuf() + padded + bomb.tobuf(tarfile.GNU_FORMAT) + data)
    spectra, issues, _ = read_all(path)
    assert len(spectra) >= 1
    assert "truncated_file" in {issue.code for issue in issues}


@pytest.mark.parametrize("filler", [b"\n", b"\r", b"x\n"])
@pytest.mark.parametrize(
    "start", [mgf_block().encode(), MSP.format("1 1\n2 2\n").encode(), b"ACCESSION: x\n//\n"]
)
def test_a_small_gz_of_many_lines_without_a_record(
    tmp_path: Path, start: bytes, filler: bytes, within_bound: Callable[[Path], str]
) -> None:
    path = tmp_path / "blank.gz"
    block = filler * (2**20 // len(filler))
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(start)
        for _ in range(20):
            file.write(block)
    assert "No record ends within" in within_bound(path)
