"""mzTab-M 2.0: one SML and one SMF row for each feature, one SME row for each candidate.

Follows the specification of HUPO-PSI, https://github.com/HUPO-PSI/mzTab-M. The three tables must stand one
after the other, so each is written to its own file, and the files are joined.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from annotation.exports.contents import Contents
from annotation.exports.csv_text import csv_cell
from annotation.exports.formats.mztab_metadata import NULL, Run, Study, metadata_lines, study_of
from annotation.results.view import AnnotationView, CandidateView, ResultView
from models_ml.spectra import adducts

Row = list[object]
# Schymanski level of a feature without an annotation: only its exact mass is known.
ONLY_MASS = "5"
# SME_ID_REF_ambiguity_code: several molecules are possible.
AMBIGUOUS = 1
TABLES = ("SML", "SMF", "SME")
SME_COLUMNS = (
    "SME_ID", "evidence_input_id", "database_identifier", "chemical_formula", "smiles", "inchi",
    "chemical_name", "uri", "derivatized_form", "adduct_ion", "exp_mass_to_charge", "charge",
    "theoretical_mass_to_charge", "spectra_ref", "identification_method", "ms_level",
    "id_confidence_measure[1]", "id_confidence_measure[2]", "id_confidence_measure[3]", "rank",
    "opt_global_inchikey_first_block", "opt_global_mass_error_ppm", "opt_global_tied_with",
)  # fmt: skip
METHOD = "[MS, MS:1001456, analysis software, GLMR Server]"


def write_mztab(contents: Contents, path: Path) -> int:
    study = study_of(contents)
    parts = {table: path.with_name(f"{path.name}.{table}") for table in TABLES}
    n_rows = 0
    with ExitStack() as stack:
        streams = {
            table: stack.enter_context(part.open("w", encoding="utf-8")) for table, part in parts.items()
        }
        _write(streams["SML"], "SMH", _sml_columns(study))
        _write(streams["SMF"], "SFH", _smf_columns(study))
        _write(streams["SME"], "SEH", SME_COLUMNS)
        n_evidence = 0
        for number, result in enumerate(contents.results(), 1):
            evidence = list(_sme_rows(result, study, n_evidence))
            refs = [n_evidence + step for step in range(1, len(evidence) + 1)]
            n_evidence += len(evidence)
            n_rows += max(1, len(evidence))
            _write(streams["SML"], "SML", _sml_row(number, result, study))
            _write(streams["SMF"], "SMF", _smf_row(number, result, study, refs))
            for row in evidence:
                _write(streams["SME"], "SME", row)
    with path.open("w", encoding="utf-8") as stream:
        for line in metadata_lines(contents, study):
            stream.write(f"{line}\n")
        for table, part in parts.items():
            # A table without rows must not be there at all.
            if table != "SME" or n_evidence:
                stream.write("\n")
                with part.open(encoding="utf-8") as source:
                    shutil.copyfileobj(source, stream)
            part.unlink()
    return n_rows


def _sml_columns(study: Study) -> list[str]:
    return [
        *("SML_ID", "SMF_ID_REFS", "database_identifier", "chemical_formula", "smiles", "inchi"),
        *("chemical_name", "uri", "theoretical_neutral_mass", "adduct_ions", "reliability"),
        *("best_id_confidence_measure", "best_id_confidence_value"),
        *(f"abundance_assay[{n}]" for n in study.assay_numbers),
        *("abundance_study_variable[1]", "abundance_variation_study_variable[1]"),
        *("opt_global_position", "opt_global_state", "opt_global_reason", "opt_global_none_of_these"),
        *("opt_global_margin", "opt_global_verdict", "opt_global_best_formula"),
    ]


def _smf_columns(study: Study) -> list[str]:
    return [
        *("SMF_ID", "SME_ID_REFS", "SME_ID_REF_ambiguity_code", "adduct_ion", "isotopomer"),
        *("exp_mass_to_charge", "charge", "retention_time_in_seconds"),
        *("retention_time_in_seconds_start", "retention_time_in_seconds_end"),
        *(f"abundance_assay[{n}]" for n in study.assay_numbers),
        *("opt_global_title", "opt_global_external_id", "opt_global_splash", "opt_global_purity"),
    ]


def _sml_row(number: int, result: ResultView, study: Study) -> Row:
    """The feature with its best answer: that of the curator if there is one, else rank 1."""
    annotation = result.annotation
    best = annotation.candidates[0] if annotation and annotation.candidates else None
    verdict = annotation.verdict if annotation else None
    decided = verdict is not None and verdict.smiles not in ("", best.smiles if best else "")
    level = (verdict.level if verdict else "") or (annotation.proposed_level if best and annotation else "")
    # A structure of the curator is not described by the columns of rank 1.
    described = None if decided else best
    probability = described.probability if described else None
    return [
        number,
        number,
        described.inchikey_first_block and study.identifier(described) if described else None,
        described.formula if described else None,
        verdict.smiles if decided and verdict else (best.smiles if best else None),
        None,
        described.name if described else None,
        None,
        described.exact_mass if described else None,
        annotation.adduct if annotation else (result.spectrum.adduct or None),
        level or ONLY_MASS,
        study.measures[0] if probability is not None else None,
        probability,
        *study.abundances(result.feature.quantities),
        *(None, None),
        result.position,
        result.state,
        result.error or None,
        annotation.abstains if annotation else None,
        annotation.margin if annotation else None,
        verdict.decision if verdict else None,
        annotation.best_formula if annotation else None,
    ]


def _smf_row(number: int, result: ResultView, study: Study, refs: Sequence[int]) -> Row:
    annotation = result.annotation
    return [
        number,
        "|".join(map(str, refs)) or None,
        AMBIGUOUS if len(refs) > 1 else None,
        (annotation.adduct if annotation else result.spectrum.adduct) or None,
        None,
        _mz(result),
        charge_of(result),
        result.feature.retention_time_s,
        *(None, None),
        *study.abundances(result.feature.quantities),
        result.spectrum.title or None,
        result.spectrum.external_id or None,
        result.spectrum.splash or None,
        result.feature.purity,
    ]


def _sme_rows(result: ResultView, study: Study, n_before: int) -> Iterator[Row]:
    annotation = result.annotation
    if annotation is None:
        return
    for step, candidate in enumerate(annotation.candidates, 1):
        yield _sme_row(n_before + step, result, annotation, candidate, study)


def _sme_row(
    number: int, result: ResultView, annotation: AnnotationView, candidate: CandidateView, study: Study
) -> Row:
    run: Run = study.run_of(result)
    tied = [other.rank for other in study.ties(candidate, annotation.candidates)]
    return [
        number,
        result.position + 1,
        study.identifier(candidate),
        candidate.formula,
        candidate.smiles,
        None,
        candidate.name or None,
        None,
        None,
        annotation.adduct,
        _mz(result),
        charge_of(result),
        adducts.precursor_mz(candidate.exact_mass, annotation.adduct),
        f"ms_run[{run.number}]:index={result.spectrum.source_index}",
        METHOD,
        "[MS, MS:1000511, ms level, 2]",
        candidate.probability,
        candidate.generated_similarity,
        candidate.embedding_similarity,
        candidate.rank,
        candidate.inchikey_first_block,
        candidate.mass_error_ppm,
        "|".join(map(str, tied)) or None,
    ]


def _mz(result: ResultView) -> float:
    """NaN where the file states none: the column may not be empty."""
    mz = result.spectrum.precursor_mz
    return float("nan") if mz is None else mz


def charge_of(result: ResultView) -> int:
    """As stated, else of the adduct, else 1 with the sign of the ion mode. The column may not be empty."""
    adduct = result.annotation.adduct if result.annotation else result.spectrum.adduct
    if result.spectrum.charge:
        return result.spectrum.charge
    if adduct and adducts.normalise(adduct):
        return adducts.parse(adduct).charge
    return -1 if result.spectrum.ion_mode == "negative" else 1


def _write(stream: TextIO, prefix: str, cells: Sequence[object]) -> None:
    stream.write("\t".join((prefix, *(mztab_cell(value) for value in cells))) + "\n")


def mztab_cell(value: object) -> str:
    """The text of a cell: `null` for what is missing, on one line, safe in a spreadsheet program."""
    if isinstance(value, float) and value != value:
        return "NaN"
    text = " ".join(csv_cell(value).split())
    return text or NULL
