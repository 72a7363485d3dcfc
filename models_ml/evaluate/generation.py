"""Command line: how well molecules are generated, without constraint and with each, on spectra of known ones.

Every row asks the same spectra with the same candidates. Ranks by generation and by its blend with retrieval
stand beside, so that defaults can be chosen here.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from models_ml.evaluate.__main__ import DEFAULT_CHECKPOINT
from models_ml.evaluate.cases import Case, exchange_peaks, read_cases
from models_ml.evaluate.library import Library, read_library
from models_ml.evaluate.measures.mces import MCESDistances
from models_ml.evaluate.measures.metrics import Resampling
from models_ml.evaluate.protocols import restricted_retrieve, with_candidates, without_truth
from models_ml.evaluate.vectors import MoleculeVectors
from models_ml.inference.annotate import (
    distinct,
    embed_spectra,
    generate_molecules,
    mark_known,
    retrieve_candidates,
)
from models_ml.inference.checkpoint import GlmrModel, load_checkpoint
from models_ml.inference.rerank import rank_candidates
from models_ml.molecules.fingerprint import tanimoto
from models_ml.molecules.standardise import identify
from models_ml.outcomes import AnnotateParams, GeneratedMolecule, Retrieved
from models_ml.spectra.precursor_window import PreparedSpectrum, prepare_spectrum
from models_ml.training.monitors import generation_signs

BATCH = 64
BLEND_WEIGHTS = (0.05, 0.15, 0.25, 0.5, 1.0)
SHOWN = ("valid", "exact_mass", "some_exact_mass", "exact_match", "best_tanimoto", "proposed",
         "generated_hit@1", "blend_0.15_hit@1")  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class AskedBatch:
    """Some cases, embedded and with their candidates: what every row of the table begins from."""

    cases: Sequence[Case]
    questions: Sequence[PreparedSpectrum]
    retrieved: Sequence[Retrieved]
    features: Tensor
    keep: Tensor


def main(arguments: list[str] | None = None) -> None:
    args = _parser().parse_args(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    model = load_checkpoint(args.checkpoint, device=args.device)
    library = read_library(args.library, seed=args.seed, cache=args.cache)
    params = AnnotateParams(method="glmr", beam_size=args.beam_size, seed=args.seed)
    cases = read_cases(args.spectra, limit=args.limit, seed=args.seed)
    max_peaks = model.network.config.max_peaks
    cases = with_candidates(cases, library, "precursor", params, max_peaks=max_peaks)
    if args.without_truth:
        cases = without_truth(cases, library)
    cases = [case for case in cases if len(case.keys)]
    if not cases:
        raise SystemExit("No spectrum names its structure and has candidates in the library.")
    batches = ask_batches(cases, model, library, params, args.cache)
    rows = {
        name: measure(batches, model, library, changed, args.seed)
        for name, changed in variants(params, args.mass).items()
    }
    # The same candidates with other peaks: what it still writes, it does not read from the spectrum.
    exchanged, _ = exchange_peaks(cases)
    wrong = ask_batches(exchanged, model, library, params, args.cache)
    rows["default, wrong peaks"] = measure(wrong, model, library, params, args.seed)
    report: dict[str, Any] = {
        "spectra": args.spectra.name,
        "library": args.library.name,
        "checkpoint": {"name": model.name, "sha256": model.sha256},
        "n_spectra": len(cases),
        "without_truth": args.without_truth,
        "limit": args.limit,
        "seed": args.seed,
        "rows": rows,
    }
    if args.mces_limit:
        distances = MCESDistances(args.cache / "mces.json" if args.cache else None)
        found = distances.mean(first_beams(batches, model, params), limit=args.mces_limit, seed=args.seed)
        report["mces"] = None if found is None else round(found.mean, 2)
        report["signs"] = generation_signs(report["mces"])
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(table(report))


def variants(params: AnnotateParams, strengths: Sequence[float]) -> dict[str, AnnotateParams]:
    """The rows of the table: neither constraint, each, and both; both without candidates in the memory."""
    free = replace(params, syntax_constraint=False, mass_constraint=0.0)
    rows = {"none": free, "syntax": replace(free, syntax_constraint=True)}
    rows |= {f"mass {strength:g}": replace(free, mass_constraint=strength) for strength in strengths}
    both = {
        f"syntax, mass {strength:g}": replace(rows["syntax"], mass_constraint=strength)
        for strength in strengths
    }
    default = replace(params, use_candidates=False)
    return rows | both | {"default, no candidates": default}


def ask_batches(
    cases: Sequence[Case], model: GlmrModel, library: Library, params: AnnotateParams, cache: Path | None
) -> list[AskedBatch]:
    vectors = MoleculeVectors(model, library, cache)
    vectors.ensure(np.unique(np.concatenate([case.keys for case in cases])))
    batches: list[AskedBatch] = []
    for start in range(0, len(cases), BATCH):
        some = cases[start : start + BATCH]
        questions = [_question(case, model, params) for case in some]
        embeddings, features, keep = embed_spectra(questions, model)
        retrieve = restricted_retrieve(some, library, vectors.values)
        found = retrieve_candidates(questions, embeddings, retrieve, params)
        batches.append(AskedBatch(some, questions, found, features, keep))
    return batches


def first_beams(
    batches: Sequence[AskedBatch], model: GlmrModel, params: AnnotateParams
) -> list[tuple[str, str] | None]:
    """The likeliest valid beam of each spectrum, and the truth."""
    pairs: list[tuple[str, str] | None] = []
    for batch in batches:
        beams = generate_molecules(
            batch.questions, batch.retrieved, batch.features, batch.keep, model, params
        )
        for case, molecules in zip(batch.cases, beams, strict=True):
            valid = next((one.smiles for one in molecules if one.is_valid), None)
            pairs.append(None if valid is None else (valid, case.truth.smiles))
    return pairs


def measure(
    batches: Sequence[AskedBatch], model: GlmrModel, library: Library, params: AnnotateParams, seed: int
) -> dict[str, Any]:
    """Means over spectra with 95 % intervals over compounds, and the seconds that generation took."""
    rows: list[dict[str, float]] = []
    seconds = 0.0
    for batch in tqdm(batches, "generation"):
        started = time.perf_counter()
        beams = generate_molecules(
            batch.questions, batch.retrieved, batch.features, batch.keep, model, params
        )
        seconds += time.perf_counter() - started
        rows.extend(_figures_of(batch, beams, model, library, params))
    compounds = [case.compound for batch in batches for case in batch.cases]
    values: dict[str, NDArray[np.float64]] = {
        name: np.array([row[name] for row in rows], float) for name in rows[0]
    }
    summary = Resampling(compounds, seed=seed).summary(values)
    return summary | {"seconds_each": round(seconds / len(rows), 4)}


def _figures_of(
    batch: AskedBatch,
    beams: Sequence[Sequence[GeneratedMolecule]],
    model: GlmrModel,
    library: Library,
    params: AnnotateParams,
) -> Iterator[dict[str, float]]:
    def find_known(blocks: Sequence[str]) -> set[str]:
        return {block for block in blocks if library.key_of(block) is not None}

    marked = mark_known([distinct(one) for one in beams], batch.retrieved, find_known, params)
    smiles = sorted({one.smiles for molecules in marked for one in molecules if one.is_valid})
    embeddings = dict(zip(smiles, model.embed_molecules(smiles), strict=True))
    fingerprints = {text: _fingerprint(text) for text in smiles}
    for case, question, retrieved, all_beams, molecules in zip(
        batch.cases, batch.questions, batch.retrieved, beams, marked, strict=True
    ):
        valid = [one for one in molecules if one.is_valid]
        fits = [
            one.mass_error_ppm is not None and abs(one.mass_error_ppm) <= params.precursor_tolerance_ppm
            for one in all_beams
        ]
        similar = [tanimoto(fingerprints[one.smiles], case.truth.fingerprint) for one in valid]
        figures = {
            "valid": sum(one.is_valid for one in all_beams) / len(all_beams),
            "exact_mass": sum(fits) / len(all_beams),
            "some_exact_mass": float(any(fits)),
            "exact_match": float(case.compound in {one.inchikey_first_block for one in valid}),
            "exact_match@1": float(bool(valid) and valid[0].inchikey_first_block == case.compound),
            "best_tanimoto": max(similar, default=0.0),
            "first_tanimoto": similar[0] if similar else 0.0,
            "distinct": float(len(valid)),
            "in_library": float(sum(one.in_library for one in valid)),
            "proposed": float(sum(one.is_proposed for one in valid)),
            "tokens": float(np.mean([len(one.text) for one in all_beams])),
        }
        for name, how in _rerankings(params).items():
            first = rank_candidates(question, retrieved, molecules, embeddings, how)[0]
            figures[f"{name}_hit@1"] = float(first.inchikey_first_block == case.compound)
        yield figures


def _rerankings(params: AnnotateParams) -> Mapping[str, AnnotateParams]:
    blends = {
        f"blend_{weight:g}": replace(params, rerank="blend", rerank_weight=weight) for weight in BLEND_WEIGHTS
    }
    retrieval = replace(params, rerank="blend", rerank_weight=0.0)
    return {"retrieval": retrieval, "generated": replace(params, rerank="generated"), **blends}


def _question(case: Case, model: GlmrModel, params: AnnotateParams) -> PreparedSpectrum:
    question = prepare_spectrum(case.spectrum, params, max_peaks=model.network.config.max_peaks)
    if not isinstance(question, PreparedSpectrum):
        raise ValueError(f"A case with candidates cannot be asked: {question.reason}")
    return question


def _fingerprint(smiles: str) -> bytes:
    molecule = identify(smiles)
    if molecule is None:
        raise ValueError(f"{smiles!r} was a molecule a moment ago.")
    return molecule.fingerprint


def table(report: Mapping[str, Any]) -> str:
    """Markdown, one variant a row."""
    lines = [
        f"{report['n_spectra']} spectra of {report['spectra']}, candidates from {report['library']}, "
        f"{report['checkpoint']['name']}",
        "",
        "| constraint | " + " | ".join(SHOWN) + " | s each |",
        "|---" * (len(SHOWN) + 2) + "|",
    ]
    for name, row in report["rows"].items():
        cells = [f"{row[figure]:.3f}" for figure in SHOWN]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {row['seconds_each']:.3f} |")
    if report.get("mces") is not None:
        lines += ["", f"MCES of the likeliest valid beam to the truth, by default: {report['mces']}"]
    return "\n".join(lines + report.get("signs", []))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models_ml.evaluate.generation", description=__doc__)
    parser.add_argument("--spectra", type=Path, required=True, help="spectra that name their structures")
    parser.add_argument("--library", type=Path, required=True, help="candidate structures")
    parser.add_argument("--checkpoint", type=Path, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--limit", type=int, help="so many spectra, drawn evenly over compounds")
    parser.add_argument(
        "--mass", type=float, nargs="+", default=[1.0], help="strengths of the mass constraint"
    )
    parser.add_argument("--without-truth", action="store_true", help="delete it from the candidates")
    parser.add_argument("--mces-limit", type=int, default=60, help="so many pairs; 0: none")
    parser.add_argument("--beam-size", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="folder that keeps the standardised library and vectors")
    parser.add_argument("--out", type=Path, required=True, help="the report, JSON")
    return parser


if __name__ == "__main__":
    main()
