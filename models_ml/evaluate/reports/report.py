"""Puts an evaluation together: cases and candidates by protocol, then each method with its controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from models_ml.evaluate.cases import Case, draw_evenly, exchange_peaks, read_cases
from models_ml.evaluate.library import Library, file_sha256, read_library
from models_ml.evaluate.measures.mces import MCESDistances
from models_ml.evaluate.measures.metrics import Resampling
from models_ml.evaluate.measures.strata import nearest_training_tanimoto, stratum_of
from models_ml.evaluate.measures.temperatures import Temperatures
from models_ml.evaluate.methods.bench import Bench
from models_ml.evaluate.methods.registry import main_method
from models_ml.evaluate.methods.runs import Runs, Twin, load_twin
from models_ml.evaluate.protocols import PROTOCOLS, with_candidates, without_truth
from models_ml.evaluate.references import ReferenceSet, read_references
from models_ml.evaluate.reports.measure import ABSENT, SHUFFLED, TEST, VAL, Measuring, differences, measure
from models_ml.evaluate.vectors import MoleculeVectors
from models_ml.evidence.analogs import ReferenceIndex
from models_ml.inference.checkpoint import GlmrModel
from models_ml.outcomes import AnnotateParams


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure and how, whichever the data."""

    checkpoint: Path
    methods: Sequence[str]
    blind: Path | None = None  # checkpoint of the twin that never saw a peak
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
    cache: Path | None = None  # folder that keeps what takes long to make
    folders: Mapping[str, Path] = field(default_factory=dict)
    keep_temperatures: bool = False  # those fitted here go into the checkpoint

    @property
    def params(self) -> AnnotateParams:
        return AnnotateParams(n_candidates=self.n_candidates, beam_size=self.beam_size, seed=self.seed)


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """Cases with their candidates, and what the report says of where they come from."""

    cases: Sequence[Case]
    val: Sequence[Case]
    library: Library
    about: Mapping[str, Any]


def protocol_setting(
    spectra: Path, library: Path, protocol: str, val: Path | None, options: Options, model: GlmrModel
) -> Setting:
    molecules = read_library(library, seed=options.seed, cache=options.cache)

    def asked(path: Path, limit: int | None) -> list[Case]:
        """The limit counts spectra that the protocol asks."""
        found = with_candidates(
            read_cases(path, limit=None, seed=options.seed),
            molecules,
            protocol,
            options.params,
            max_peaks=model.network.config.max_peaks,
        )
        return found if limit is None else draw_evenly(found, limit, options.seed)

    about = {
        "protocol": protocol,
        "candidates": PROTOCOLS[protocol],
        "spectra": spectra.name,
        "spectra_sha256": file_sha256(spectra),
        "library": library.name,
        "library_sha256": file_sha256(library),
        "val": val.name if val else None,
    }
    return Setting(
        asked(spectra, options.limit), asked(val, options.val_limit) if val else [], molecules, about
    )


def evaluate(setting: Setting, options: Options, model: GlmrModel) -> dict[str, Any]:
    """The report as written to JSON. Raises methods.Unavailable for a method that lacks what it needs."""
    cases, library = setting.cases, setting.library
    if not cases:
        raise ValueError(
            "No spectrum is left to evaluate: none names a structure that the protocol can ask for."
        )
    bench, n_excluded, training = _bench(setting, options, model)
    exchanged, near = exchange_peaks(cases)
    absent_places = _absent_places(cases, library, options)
    sets: dict[str, Sequence[Case]] = {
        TEST: cases,
        SHUFFLED: exchanged,
        VAL: setting.val,
        ABSENT: without_truth([cases[place] for place in absent_places], library),
    }
    main = main_method(options.methods)
    runs = Runs(sets, bench, load_twin(model, options.blind), main=main)
    about = Measuring(
        runs=runs,
        cases=cases,
        library=library,
        resampling=Resampling([case.compound for case in cases], seed=options.seed),
        strata=_strata(cases, training),
        distances=MCESDistances(options.cache / "mces.json" if options.cache else None),
        mces_limit=options.mces_limit,
        seed=options.seed,
        absent_places=absent_places,
        temperatures=Temperatures.load(
            options.checkpoint, setting.about["protocol"], with_references=options.references is not None
        ),
    )
    report: dict[str, Any] = {
        **setting.about,
        **_header(setting, options, runs, n_excluded),
        "main_method": main,
        "shuffled_within_10_ppm": near,
        "methods": {},
    }
    for method in options.methods:
        report["methods"][method] = measure(method, about)
    report["differences"] = differences(about, main)
    if options.keep_temperatures:
        about.temperatures.save()
    return report


def _bench(setting: Setting, options: Options, model: GlmrModel) -> tuple[Bench, int, ReferenceSet | None]:
    """What methods run on; how many references of evaluated compounds it leaves out; the training spectra."""
    references = read_references(options.references, cache=options.cache) if options.references else None
    training = references if options.train == options.references else None
    if options.train is not None and training is None:
        training = read_references(options.train, cache=options.cache)
    evaluated = {case.compound for case in (*setting.cases, *setting.val)}
    index, n_excluded = references.index_without(evaluated) if references else (None, 0)
    bench = Bench(
        model=model,
        library=setting.library,
        vectors=MoleculeVectors(model, setting.library, options.cache),
        params=options.params,
        references=index,
        folders=options.folders,
    )
    return bench, n_excluded, training


def _header(setting: Setting, options: Options, runs: Runs, n_excluded: int) -> dict[str, Any]:
    """What was measured, on what and how."""
    model = runs.bench.model
    return {
        "n_library": len(setting.library),
        "n_val": len(setting.val),
        "checkpoint": {"name": model.name, "sha256": model.sha256},
        "blind_checkpoint": _named(runs.twin),
        "references": _about_references(options, runs.bench.references, n_excluded),
        "train": options.train.name if options.train else None,
        "limit": options.limit,
        "seed": options.seed,
        "n_candidates": options.n_candidates,
        "beam_size": options.beam_size,
    }


def _absent_places(cases: Sequence[Case], library: Library, options: Options) -> list[int]:
    """A draw of the cases whose truth can be deleted so that some candidate is left."""
    order = np.random.default_rng(options.seed).permutation(len(cases)).tolist()
    fit = (
        place
        for place in order
        if len(cases[place].keys) > 1 and library.key_of(cases[place].compound) in cases[place].keys
    )
    return [place for place, _ in zip(fit, range(options.absent_limit), strict=False)]


def _strata(cases: Sequence[Case], training: ReferenceSet | None) -> dict[str, list[str]]:
    nearest = None if training is None else nearest_training_tanimoto(cases, training.compounds())
    return stratum_of(cases, nearest)


def _named(twin: Twin | None) -> dict[str, str] | None:
    return None if twin is None else {"name": twin.name, "sha256": twin.sha256}


def _about_references(
    options: Options, index: ReferenceIndex | None, n_excluded: int
) -> dict[str, Any] | None:
    if options.references is None or index is None:
        return None
    return {
        "file": options.references.name,
        "n_used": len(index),
        "n_excluded": n_excluded,  # of evaluated compounds, which are never their own references
    }
