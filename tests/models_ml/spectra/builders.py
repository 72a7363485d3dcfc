"""Builders of small spectrum files."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from models_ml.spectra.formats import ReadLimits, ReadReport, SpectrumIssue, Tally, read_spectra
from models_ml.spectra.spectrum import Spectrum

PEAKS = ((91.0542, 12.5), (119.0491, 100.0), (147.0441, 33.25))


def make_spectrum(**overrides: Any) -> Spectrum:
    values: dict[str, Any] = {
        "mz": np.array([mz for mz, _ in PEAKS]),
        "intensity": np.array([height for _, height in PEAKS]),
        "precursor_mz": 165.0546,
        "charge": 1,
        "adduct": "[M+H]+",
        "ion_mode": "positive",
        "title": "p-coumaric acid",
    }
    return Spectrum(**{**values, **overrides})


def read_all(
    path: Path, limits: ReadLimits | None = None
) -> tuple[list[Spectrum], list[SpectrumIssue], ReadReport]:
    tally = Tally()
    spectra: list[Spectrum] = []
    issues: list[SpectrumIssue] = []
    for item in read_spectra(path, limits=limits or ReadLimits()):
        tally.add(item)
        if isinstance(item, Spectrum):
            spectra.append(item)
        else:
            issues.append(item)
            assert item.reason, "every issue has a reason"
            assert item.position, "every issue has a position"
            assert item.remedy, "every issue has a remedy"
    return spectra, issues, tally.report


def mgf_block(*peaks: str, **fields: str) -> str:
    values = {"TITLE": "one", "PEPMASS": "165.0546", "CHARGE": "1+", **fields}
    lines = [f"{name}={value}" for name, value in values.items() if value != "absent"]
    body = peaks or tuple(f"{mz} {height}" for mz, height in PEAKS)
    return "\n".join(["BEGIN IONS", *lines, *body, "END IONS", ""]) + "\n"


def term(accession: str, name: str, value: str = "", unit: str = "", unit_name: str = "") -> str:
    units = f' unitAccession="{unit}" unitName="{unit_name}"' if unit else ""
    return f'<cvParam cvRef="MS" accession="{accession}" name="{name}" value="{value}"{units}/>'


ZLIB = term("MS:1000574", "zlib compression")
PLAIN = term("MS:1000576", "no compression")
SELECTED_ION = (
    "<precursorList><precursor><isolationWindow>"
    + term("MS:1000827", "isolation window target m/z", "165.1")
    + "</isolationWindow><selectedIonList><selectedIon>"
    + term("MS:1000744", "selected ion m/z", "165.0546")
    + term("MS:1000041", "charge state", "1")
    + "</selectedIon></selectedIonList><activation>"
    + term("MS:1000045", "collision energy", "30", "UO:0000266", "electronvolt")
    + "</activation></precursor></precursorList>"
)


def binary_array(accession: str, data: bytes, compression: str = PLAIN, bits: int = 64) -> str:
    width = term("MS:1000523" if bits == 64 else "MS:1000521", f"{bits}-bit float")
    text = base64.b64encode(data).decode()
    return (
        f"<binaryDataArray>{width}{compression}{term(accession, 'array')}"
        f"<binary>{text}</binary></binaryDataArray>"
    )


def mzml_spectrum(
    number: int = 1,
    *,
    level: str = "2",
    precursor: str = SELECTED_ION,
    arrays: str | None = None,
    length: int = 3,
) -> str:
    if arrays is None:
        mz = struct.pack(f"<{len(PEAKS)}d", *(mz for mz, _ in PEAKS))
        heights = struct.pack(f"<{len(PEAKS)}f", *(height for _, height in PEAKS))
        arrays = binary_array("MS:1000514", zlib.compress(mz), ZLIB) + binary_array(
            "MS:1000515", heights, PLAIN, bits=32
        )
    return (
        f'<spectrum index="{number - 1}" id="scan={number}" defaultArrayLength="{length}">'
        + '<referenceableParamGroupRef ref="common"/>'
        + term("MS:1000511", "ms level", level)
        + "<scanList><scan>"
        + term("MS:1000016", "scan start time", "1.5", "UO:0000031", "minute")
        + f"</scan></scanList>{precursor}<binaryDataArrayList>{arrays}</binaryDataArrayList></spectrum>"
    )


def mzml_document(*spectra: str, prolog: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="utf-8"?>{prolog}'
        '<mzML xmlns="http://psi.hupo.org/ms/mzml" version="1.1.0">'
        "<referenceableParamGroupList><referenceableParamGroup id='common'>"
        + term("MS:1000130", "positive scan")
        + f"</referenceableParamGroup></referenceableParamGroupList><run><spectrumList>{''.join(spectra)}"
        "</spectrumList></run></mzML>"
    )
