"""MGF: the representative spectrum of each feature with its raw peaks, and the answer in further fields."""

from __future__ import annotations

from pathlib import Path

from annotation.exports.contents import Contents
from annotation.exports.csv_text import plain_cell
from annotation.results.view import ResultView
from annotation.spectra.records import to_exchange
from models_ml.spectra.mgf_writer import write_mgf as write_spectra


def write_mgf(contents: Contents, path: Path) -> int:
    """One block for each feature. The fields of rank 1 have the prefix `RESULT_`.

    `SMILES` and its like stay free: they state what the molecule is, which only a standard can show.
    """
    n_rows = 0
    with path.open("w", encoding="utf-8") as stream:
        for spectrum, result in contents.with_spectra():
            fields = {**_fields(result), "RESULT_SNAPSHOT": contents.snapshot.id}
            n_rows += write_spectra([to_exchange(spectrum)], stream, fields)
    return n_rows


def _fields(result: ResultView) -> dict[str, str]:
    annotation = result.annotation
    values: dict[str, object] = {
        "FEATURE_ID": result.feature.label or result.position + 1,
        "RESULT_POSITION": result.position,
        "RESULT_STATE": result.state,
        "RESULT_ERROR": result.error,
    }
    if annotation is not None:
        values |= {
            "RESULT_ANNOTATION": annotation.id,
            "RESULT_ADDUCT": annotation.adduct,
            "RESULT_METHOD": annotation.method,
            "RESULT_P_RIGHT": annotation.p_right,
            "RESULT_NONE_OF_THESE": annotation.abstains,
            "RESULT_MARGIN": annotation.margin,
            "RESULT_LEVEL": (annotation.verdict.level if annotation.verdict else "")
            or annotation.proposed_level,
            "RESULT_VERDICT": annotation.verdict.decision if annotation.verdict else "",
            "RESULT_VERDICT_SMILES": annotation.verdict.smiles if annotation.verdict else "",
            "RESULT_BEST_FORMULA": annotation.best_formula,
        }
        for candidate in annotation.candidates:
            prefix = f"RESULT_RANK_{candidate.rank}"
            values |= {
                f"{prefix}_SMILES": candidate.smiles,
                f"{prefix}_NAME": candidate.name,
                f"{prefix}_INCHIKEY_FIRST_BLOCK": candidate.inchikey_first_block,
                f"{prefix}_FORMULA": candidate.formula,
                f"{prefix}_PROBABILITY": candidate.probability,
            }
    return {name: plain_cell(value) for name, value in values.items()}
