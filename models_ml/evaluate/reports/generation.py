"""How well molecules are generated: one row per constraint, measured on spectra of known molecules.

All rows use the same spectra with the same candidates. Ranks by generation, and by its blend with retrieval,
are in the same row: they show which defaults are best.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models_ml.evaluate.cases import Case, exchange_peaks
from models_ml.evaluate.library import Library
from models_ml.evaluate.measures.mces import MCESDistances
from models_ml.evaluate.measures.resampling import Resampling
from models_ml.evaluate.protocols import restricted_retrieve
from models_ml.evaluate.vectors import MoleculeVectors
from models_ml.inference.annotate import embed_spectra, preprocess, retrieve_candidates
from models_ml.inference.checkpoint import GlmrModel
from models_ml.inference.feature_work import FeatureWork
from models_ml.inference.molecule_generation import distinct, generate_molecules, mark_known
from models_ml.inference.rerank import rank_candidates
from models_ml.molecules.fingerprint import tanimoto
from models_ml.molecules.standardise import identify
from models_ml.outcomes import AnnotateParams, GeneratedMolecule
from models_ml.training.monitors import generation_warnings

BATCH_SIZE = 64
BLEND_WEIGHTS = (0.05, 0.15, 0.25, 0.5, 1.0)
TABLE_METRICS = ("valid", "exact_mass", "some_exact_mass", "exact_match", "best_tanimoto", "proposed",
                 "generated_hit@1", "blend_0.15_hit@1")  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class PreparedBatch:
    """Cases, embedded and with their candidates. Every row of the table starts from the same batches."""

    cases: Sequence[Case]
    works: Sequence[FeatureWork]  # parallel to `cases`


def generation_report(
    cases: Sequence[Case],
    model: GlmrModel,
    library: Library,
    params: AnnotateParams,
    *,
    strengths: Sequence[float],
    cache: Path | None,
    distances: MCESDistances,
    mces_limit: int,
) -> dict[str, Any]:
    """`rows` by constraint; with a limit above 0 also `mces`, and `signs` that training failed."""
    batches = prepare_batches(cases, model, library, params, cache)
    rows = {
        name: measure(batches, model, library, variant, params.seed)
        for name, variant in variants(params, strengths).items()
    }
    # The same candidates with other peaks: what is still right does not come from the spectrum.
    exchanged, _ = exchange_peaks(cases)
    wrong = prepare_batches(exchanged, model, library, params, cache)
    rows["default, wrong peaks"] = measure(wrong, model, library, params, params.seed)
    report: dict[str, Any] = {"rows": rows}
    if mces_limit:
        mean = distances.mean(first_beams(batches, model, params), limit=mces_limit, seed=params.seed)
        report["mces"] = None if mean is None else round(mean.mean, 2)
        report["signs"] = generation_warnings(report["mces"])
    return report


def variants(params: AnnotateParams, strengths: Sequence[float]) -> dict[str, AnnotateParams]:
    """Rows of the table: no constraint, each, both, and the default without candidates in the memory."""
    unconstrained = replace(params, syntax_constraint=False, mass_constraint=0.0)
    rows = {"none": unconstrained, "syntax": replace(unconstrained, syntax_constraint=True)}
    rows |= {f"mass {strength:g}": replace(unconstrained, mass_constraint=strength) for strength in strengths}
    both = {
        f"syntax, mass {strength:g}": replace(rows["syntax"], mass_constraint=strength)
        for strength in strengths
    }
    default = replace(params, use_candidates=False)
    return rows | both | {"default, no candidates": default}


def prepare_batches(
    cases: Sequence[Case], model: GlmrModel, library: Library, params: AnnotateParams, cache: Path | None
) -> list[PreparedBatch]:
    """Preprocess and embed the spectra, and retrieve their candidates. Every case must have candidates."""
    vectors = MoleculeVectors(model, library, cache)
    vectors.ensure(np.unique(np.concatenate([case.keys for case in cases])))
    batches: list[PreparedBatch] = []
    for start in range(0, len(cases), BATCH_SIZE):
        batch = cases[start : start + BATCH_SIZE]
        works = [FeatureWork.of(case.spectrum) for case in batch]
        preprocess(works, model, params)
        embed_spectra(works, model)
        retrieve_candidates(works, restricted_retrieve(batch, library, vectors.values), params)
        batches.append(PreparedBatch(batch, works))
    return batches


def first_beams(
    batches: Sequence[PreparedBatch], model: GlmrModel, params: AnnotateParams
) -> list[tuple[str, str] | None]:
    """SMILES of the likeliest valid beam and of the truth, for each spectrum; None without a valid beam."""
    pairs: list[tuple[str, str] | None] = []
    for batch in batches:
        beams = generate_molecules(batch.works, model, params)
        for case, molecules in zip(batch.cases, beams, strict=True):
            valid = next((molecule.smiles for molecule in molecules if molecule.is_valid), None)
            pairs.append(None if valid is None else (valid, case.truth.smiles))
    return pairs


def measure(
    batches: Sequence[PreparedBatch], model: GlmrModel, library: Library, params: AnnotateParams, seed: int
) -> dict[str, Any]:
    """Means over spectra with 95 % intervals over compounds, and the seconds of generation per spectrum."""
    rows: list[dict[str, float]] = []
    seconds = 0.0
    for batch in tqdm(batches, "generation"):
        started = time.perf_counter()
        beams = generate_molecules(batch.works, model, params)
        seconds += time.perf_counter() - started
        rows.extend(_metrics(batch, beams, model, library, params))
    compounds = [case.compound for batch in batches for case in batch.cases]
    values: dict[str, NDArray[np.float64]] = {
        name: np.array([row[name] for row in rows], float) for name in rows[0]
    }
    summary = Resampling(compounds, seed=seed).summary(values)
    return summary | {"seconds_each": round(seconds / len(rows), 4)}


def _metrics(
    batch: PreparedBatch,
    beams: Sequence[Sequence[GeneratedMolecule]],
    model: GlmrModel,
    library: Library,
    params: AnnotateParams,
) -> Iterator[dict[str, float]]:
    """Metrics of each spectrum of the batch."""

    def find_known(blocks: Sequence[str]) -> set[str]:
        return {block for block in blocks if library.key_of(block) is not None}

    for work, molecules in zip(batch.works, beams, strict=True):
        work.generated = distinct(molecules)
    mark_known(batch.works, find_known, params)
    smiles = sorted(
        {molecule.smiles for work in batch.works for molecule in work.generated if molecule.is_valid}
    )
    embeddings = dict(zip(smiles, model.embed_molecules(smiles), strict=True))
    fingerprints = {text: _fingerprint(text) for text in smiles}
    for case, work, all_beams in zip(batch.cases, batch.works, beams, strict=True):
        valid = [molecule for molecule in work.generated if molecule.is_valid]
        fits = [beam.fits(params.precursor_tolerance_ppm) for beam in all_beams]
        similar = [tanimoto(fingerprints[molecule.smiles], case.truth.fingerprint) for molecule in valid]
        metrics = {
            "valid": sum(beam.is_valid for beam in all_beams) / len(all_beams),
            "exact_mass": sum(fits) / len(all_beams),
            "some_exact_mass": float(any(fits)),
            "exact_match": float(case.compound in {molecule.inchikey_first_block for molecule in valid}),
            "exact_match@1": float(bool(valid) and valid[0].inchikey_first_block == case.compound),
            "best_tanimoto": max(similar, default=0.0),
            "first_tanimoto": similar[0] if similar else 0.0,
            "distinct": float(len(valid)),
            "in_library": float(sum(molecule.in_library for molecule in valid)),
            "proposed": float(sum(molecule.is_proposed for molecule in valid)),
            "tokens": float(np.mean([len(beam.text) for beam in all_beams])),
        }
        for name, variant in _rerankings(params).items():
            window = work.window
            first = rank_candidates(window, work.retrieved, work.generated, embeddings, variant)[0]
            metrics[f"{name}_hit@1"] = float(first.inchikey_first_block == case.compound)
        yield metrics


def _rerankings(params: AnnotateParams) -> Mapping[str, AnnotateParams]:
    blends = {
        f"blend_{weight:g}": replace(params, rerank="blend", rerank_weight=weight) for weight in BLEND_WEIGHTS
    }
    retrieval = replace(params, rerank="blend", rerank_weight=0.0)
    return {"retrieval": retrieval, "generated": replace(params, rerank="generated"), **blends}


def _fingerprint(smiles: str) -> bytes:
    molecule = identify(smiles)
    if molecule is None:
        raise ValueError(f"{smiles!r} is a valid generated molecule, but it cannot be standardised.")
    return molecule.fingerprint


def table(report: Mapping[str, Any]) -> str:
    """Markdown, one row per variant."""
    lines = [
        f"{report['n_spectra']} spectra of {report['spectra']}, candidates from {report['library']}, "
        f"{report['checkpoint']['name']}",
        "",
        "| constraint | " + " | ".join(TABLE_METRICS) + " | seconds per spectrum |",
        "|---" * (len(TABLE_METRICS) + 2) + "|",
    ]
    for name, row in report["rows"].items():
        cells = [f"{row[metric]:.3f}" for metric in TABLE_METRICS]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {row['seconds_each']:.3f} |")
    if report.get("mces") is not None:
        lines += [
            "",
            "Mean MCES distance of the likeliest valid beam to the truth, with the default constraints: "
            f"{report['mces']}",
        ]
    return "\n".join(lines + report.get("signs", []))
