"""Runs methods and their controls over cases and gathers the report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models_ml.evaluate.cases import Case, exchange_peaks, read_cases
from models_ml.evaluate.library import Candidate, embed_reached, read_library
from models_ml.evaluate.methods import METHODS, Bench, ask_all, random_ranking
from models_ml.evaluate.metrics import add_controls, generation_figures, per_spectrum, summarise
from models_ml.inference.checkpoint import GlmrModel, load_checkpoint
from models_ml.inference.memory_index import InMemoryLibrary
from models_ml.outcomes import AnnotateParams, Query

# ppm of the precursor within which a library molecule is a candidate; the whole library lies in 1e9.
PROTOCOL_PPM = {"precursor": 10.0, "whole": 1e9}


@dataclass(frozen=True, slots=True)
class Task:
    """What to measure, on what."""

    spectra: Path
    library: Path
    checkpoint: Path
    protocol: str
    methods: Sequence[str]
    blind: Path | None = None  # checkpoint of the twin that never saw a peak
    limit: int | None = None
    seed: int = 0
    device: str = "cpu"
    cache: Path | None = None  # folder that keeps the standardised library


def evaluate(task: Task) -> dict[str, Any]:
    """The report as written to JSON."""
    model = load_checkpoint(task.checkpoint, device=task.device)
    cases = read_cases(task.spectra, limit=task.limit, seed=task.seed)
    molecules = read_library(task.library, seed=task.seed, cache=task.cache)
    bench = make_bench(model, cases, molecules, task)
    blind_bench = None
    if task.blind is not None:
        blind_bench = make_bench(
            load_checkpoint(task.blind, device=task.device), cases, molecules, task, bench
        )
    exchanged, near = exchange_peaks(cases)
    report: dict[str, Any] = {
        "protocol": task.protocol,
        "spectra": task.spectra.name,
        "library": task.library.name,
        "n_library": len(molecules),
        "checkpoint": {"name": model.name, "sha256": model.sha256},
        "limit": task.limit,
        "seed": task.seed,
        "shuffled_within_10_ppm": near,
        "methods": {},
    }
    for method in task.methods:
        report["methods"][method] = _measure(method, cases, exchanged, bench, blind_bench, task.seed)
    return report


def make_bench(
    model: GlmrModel,
    cases: Sequence[Case],
    molecules: Sequence[Candidate],
    task: Task,
    like: Bench | None = None,
) -> Bench:
    """`like`: a bench of the same cases, whose embeddings serve again if the molecule encoder is the same."""
    params = AnnotateParams(precursor_tolerance_ppm=PROTOCOL_PPM[task.protocol], seed=task.seed)
    if like is not None and _same_molecule_encoder(model, like.model):
        return Bench(model, like.library, molecules, params)
    bench = Bench(
        model, InMemoryLibrary([], np.zeros((0, model.embedding_dim), np.float32)), molecules, params
    )
    nothing = np.zeros(model.embedding_dim, np.float32)
    queries = [
        Query(nothing, question.neutral_mass, question.tolerance_da)
        for question in ask_all(cases, bench)
        if question is not None
    ]
    return Bench(model, embed_reached(molecules, queries, model), molecules, params)


def _measure(
    method: str,
    cases: Sequence[Case],
    exchanged: Sequence[Case],
    bench: Bench,
    blind: Bench | None,
    seed: int,
) -> dict[str, Any]:
    run = METHODS[method]
    compounds = [case.compound for case in cases]
    started = time.perf_counter()
    rankings = run(cases, bench)
    seconds = time.perf_counter() - started
    values = per_spectrum(rankings)
    if run is not random_ranking:
        add_controls(values, run(cases, blind) if blind is not None else None, run(exchanged, bench))
    return {
        **summarise(values, compounds, seed=seed),
        **generation_figures(rankings, compounds),
        "n_failed": sum(ranking.n_in_window == 0 for ranking in rankings),
        "mean_candidates": round(float(np.mean([ranking.n_in_window for ranking in rankings])), 1),
        "spectra_per_s": round(len(cases) / seconds, 2),
    }


def _same_molecule_encoder(first: GlmrModel, second: GlmrModel) -> bool:
    ours, theirs = (model.network.molecule_encoder.state_dict() for model in (first, second))
    return ours.keys() == theirs.keys() and all(bool((ours[key] == theirs[key]).all()) for key in ours)
