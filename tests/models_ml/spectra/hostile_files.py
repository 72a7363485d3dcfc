"""Small files that are made to occupy a reader for long, or to fill its memory. Made here, not stored."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable

from tests.models_ml.spectra.builders import mgf_block

MIB = 2**20


def tar_of_a_terabyte() -> bytes:
    """A tar of 10 kB whose only member is announced with 1 TB."""
    info = tarfile.TarInfo("big.mgf")
    info.size = 2**40
    return info.tobuf(tarfile.GNU_FORMAT) + mgf_block().encode().ljust(9_728, b"\n")


def gz_of_blank_lines() -> bytes:
    """A gz of 0.6 MB that holds 600 MB of blank lines behind one spectrum."""
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=9, mtime=0) as file:
        file.write(mgf_block().encode())
        for _ in range(600):
            file.write(b"\n" * MIB)
    return stream.getvalue()


def msp_of_colon_pairs() -> bytes:
    """A line for which a careless regular expression takes a minute."""
    return f"NAME: x\nPRECURSORMZ: 180.1\nNum Peaks: 2\n{'1:1 ' * 40}{'1' * 40}!\n".encode()


def zip_bomb() -> bytes:
    """A zip of some 60 kB with many members of 20 MB, all with the same line."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"{number}.mgf", b"TITLE=x\n" * (20 * MIB // 8))
    return stream.getvalue()


def deep_json() -> bytes:
    return b'{"spectra": ' + b"[" * 500_000


def long_line() -> bytes:
    """One line of 20 MB inside a record, compressed to 20 kB."""
    block = b"BEGIN IONS\nPEPMASS=181.05\n"
    return gzip.compress(block + b"1 " * (10 * MIB) + b"\nEND IONS\n")


def entity_bomb() -> bytes:
    """The "billion laughs": entities that expand to 3 GB."""
    entities = "".join(
        f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' if level else '<!ENTITY e0 "laugh">'
        for level in range(10)
    )
    return (
        f'<?xml version="1.0"?><!DOCTYPE mzML [{entities}]>'
        '<mzML xmlns="http://psi.hupo.org/ms/mzml"><run>&e9;</run></mzML>'
    ).encode()


def mzml_with_a_false_length() -> bytes:
    """An mzML whose arrays announce 4 values and inflate to 1 GB."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(MIB)) for _ in range(1024)) + packer.flush()
    array = base64.b64encode(packed).decode()
    binary = (
        '<binaryDataArray encodedLength="0"><cvParam cvRef="MS" accession="MS:1000523" name="64-bit float"/>'
        '<cvParam cvRef="MS" accession="MS:1000574" name="zlib compression"/>'
        '<cvParam cvRef="MS" accession="{}" name="array"/>'
        f"<binary>{array}</binary></binaryDataArray>"
    )
    return (
        '<mzML xmlns="http://psi.hupo.org/ms/mzml"><run><spectrumList count="1">'
        '<spectrum index="0" id="scan=1" defaultArrayLength="4">'
        '<cvParam cvRef="MS" accession="MS:1000511" name="ms level" value="2"/><precursorList><precursor>'
        '<selectedIonList><selectedIon><cvParam cvRef="MS" accession="MS:1000744" name="selected ion m/z" '
        'value="181.05"/></selectedIon></selectedIonList></precursor></precursorList><binaryDataArrayList>'
        f"{binary.format('MS:1000514')}{binary.format('MS:1000515')}"
        "</binaryDataArrayList></spectrum></spectrumList></run></mzML>"
    ).encode()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "tar_of_a_terabyte.tar": tar_of_a_terabyte,
    "blank_lines.mgf.gz": gz_of_blank_lines,
    "colon_pairs.msp": msp_of_colon_pairs,
    "bomb.zip": zip_bomb,
    "deep.json": deep_json,
    "long_line.mgf.gz": long_line,
    "entities.mzML": entity_bomb,
    "false_length.mzML": mzml_with_a_false_length,
}
