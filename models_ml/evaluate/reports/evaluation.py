"""Runs an evaluation: cases with their candidates, then each method with its controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from models_ml.evaluate.cases import Case, draw_evenly, exchange_peaks, read_cases
from models_ml.evaluate.library import Library, file_sha256, read_library
from models_ml.evaluate.measures.mces import MCESDistances
from models_ml.evaluate.measures.resampling import Resampling
from models_ml.evaluate.measures.strata import nearest_training_tanimoto, strata_names
from models_ml.evaluate.measures.temperatures import Temperatures
from models_ml.evaluate.methods.context import MethodContext
from models_ml.evaluate.methods.registry import main_method
from models_ml.evaluate.methods.runs import Runs, Twin, load_twin
from models_ml.evaluate.protocols import PROTOCOLS, with_candidates, without_truth
from models_ml.evaluate.references import ReferenceSet, read_references
from models_ml.evaluate.reports.method_metrics import (
    ABSENT,
    SHUFFLED,
    TEST,
    VAL,
    EvaluationContext,
    differences,
    measure,
)
from models_ml.evaluate.vectors import MoleculeVectors
from models_ml.evidence.analogs import ReferenceIndex
from models_ml.inference.checkpoint import GlmrModel
from models_ml.outcomes import AnnotateParams


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, for any data."""

    checkpoint: Path
    methods: Sequence[str]
    blind: Path | None = None  # checkpoint of the twin trained without peaks; None: the twin in `checkpoint`
    references: Path | None = None
    train: Path | None = None  # spectra of the training compounds, for the strata
    limit: int | None = None
    val_limit: int = 1000
    mces_limit: int = 60
    absent_limit: int = 500
    n_candidates: int = 40
    beam_size: int = 5
    seed: int = 0
    device: str = "cpu"
    cache: Path | None = None  # folder for results that take long to compute
    folders: Mapping[str, Path] = field(default_factory=dict)  # of trained baselines, by method
    keep_temperatures: bool = False  # write the fitted temperatures into the checkpoint

    @property
    def params(self) -> AnnotateParams:
        return AnnotateParams(n_candidates=self.n_candidates, beam_size=self.beam_size, seed=self.seed)


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationData:
    """Cases with their candidates, and their source as the report states it."""

    cases: Sequence[Case]
    val: Sequence[Case]
    library: Library
    source: Mapping[str, Any]


def read_data(
    spectra: Path, library: Path, protocol: str, val: Path | None, options: Options, model: GlmrModel
) -> EvaluationData:
    molecules = read_library(library, seed=options.seed, cache=options.cache)

    def read(path: Path, limit: int | None) -> list[Case]:
        """The limit counts only spectra that belong to the protocol."""
        selected = with_candidates(
            read_cases(path, limit=None, seed=options.seed),
            molecules,
            protocol,
            options.params,
            max_peaks=model.network.config.max_peaks,
        )
        return selected if limit is None else draw_evenly(selected, limit, options.seed)

    source = {
        "protocol": protocol,
        "candidates": PROTOCOLS[protocol],
        "spectra": spectra.name,
        "spectra_sha256": file_sha256(spectra),
        "library": library.name,
        "library_sha256": file_sha256(library),
        "val": val.name if val else None,
    }
    cases = read(spectra, options.limit)
    return EvaluationData(cases, read(val, options.val_limit) if val else [], molecules, source)


def evaluate(data: EvaluationData, options: Options, model: GlmrModel) -> dict[str, Any]:
    """The report, as it is written to JSON.

    Raises MethodUnavailable for a method that lacks an input, and ValueError without any spectrum.
    """
    cases, library = data.cases, data.library
    if not cases:
        raise ValueError(
            "no spectrum can be evaluated. Each needs a valid structure (SMILES) with candidates."
        )
    methods_context, n_excluded, training = method_context(data, options, model)
    exchanged, n_within_tolerance = exchange_peaks(cases)
    absent_indices = _absent_indices(cases, library, options)
    sets: dict[str, Sequence[Case]] = {
        TEST: cases,
        SHUFFLED: exchanged,
        VAL: data.val,
        ABSENT: without_truth([cases[index] for index in absent_indices], library),
    }
    main = main_method(options.methods)
    runs = Runs(sets, methods_context, load_twin(model, options.blind), main=main)
    context = EvaluationContext(
        runs=runs,
        cases=cases,
        library=library,
        resampling=Resampling([case.compound for case in cases], seed=options.seed),
        strata=_strata(cases, training),
        distances=MCESDistances(options.cache / "mces.json" if options.cache else None),
        mces_limit=options.mces_limit,
        seed=options.seed,
        absent_indices=absent_indices,
        temperatures=Temperatures.load(
            options.checkpoint, data.source["protocol"], with_references=options.references is not None
        ),
    )
    report: dict[str, Any] = {
        **data.source,
        **_header(data, options, runs, n_excluded),
        "main_method": main,
        "shuffled_within_10_ppm": n_within_tolerance,
        "methods": {},
    }
    for method in options.methods:
        report["methods"][method] = measure(method, context)
    report["differences"] = differences(context, main)
    if options.keep_temperatures:
        context.temperatures.save()
    return report


def method_context(
    data: EvaluationData, options: Options, model: GlmrModel
) -> tuple[MethodContext, int, ReferenceSet | None]:
    """The inputs of methods, the number of references left out, and the training spectra.

    References of evaluated compounds are left out.
    """
    references = read_references(options.references, cache=options.cache) if options.references else None
    training = references if options.train == options.references else None
    if options.train is not None and training is None:
        training = read_references(options.train, cache=options.cache)
    evaluated = {case.compound for case in (*data.cases, *data.val)}
    index, n_excluded = references.index_without(evaluated) if references else (None, 0)
    context = MethodContext(
        model=model,
        library=data.library,
        vectors=MoleculeVectors(model, data.library, options.cache),
        params=options.params,
        references=index,
        folders=options.folders,
    )
    return context, n_excluded, training


def _header(data: EvaluationData, options: Options, runs: Runs, n_excluded: int) -> dict[str, Any]:
    """Sizes, checkpoints and options."""
    model = runs.context.model
    return {
        "n_library": len(data.library),
        "n_val": len(data.val),
        "checkpoint": {"name": model.name, "sha256": model.sha256},
        "blind_checkpoint": identity(runs.twin),
        "references": about_references(options, runs.context.references, n_excluded),
        "train": options.train.name if options.train else None,
        "limit": options.limit,
        "seed": options.seed,
        "n_candidates": options.n_candidates,
        "beam_size": options.beam_size,
    }


def _absent_indices(cases: Sequence[Case], library: Library, options: Options) -> list[int]:
    """Indices of random cases that have another candidate besides the truth."""
    order = np.random.default_rng(options.seed).permutation(len(cases)).tolist()
    usable = (
        index
        for index in order
        if len(cases[index].keys) > 1 and library.key_of(cases[index].compound) in cases[index].keys
    )
    return list(islice(usable, options.absent_limit))


def _strata(cases: Sequence[Case], training: ReferenceSet | None) -> dict[str, list[str]]:
    nearest = None if training is None else nearest_training_tanimoto(cases, training.compounds())
    return strata_names(cases, nearest)


def identity(twin: Twin | None) -> dict[str, str] | None:
    return None if twin is None else {"name": twin.name, "sha256": twin.sha256}


def about_references(
    options: Options, index: ReferenceIndex | None, n_excluded: int
) -> dict[str, Any] | None:
    if options.references is None or index is None:
        return None
    return {
        "file": options.references.name,
        "n_used": len(index),
        "n_excluded": n_excluded,  # of evaluated compounds
    }
