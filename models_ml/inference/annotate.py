"""The whole method, from spectra to ranked molecules. The server and the evaluation both run `annotate`.

`annotate` is a list of stages. Each stage is one function below and fills its part of every spectrum's record
(`SpectrumWork`). Symbols: docs/glossary.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from models_ml.evidence.analogs import ReferenceIndex
from models_ml.inference.checkpoint import GlmrModel
from models_ml.inference.molecule_generation import distinct, generate_molecules, mark_known
from models_ml.inference.rerank import rank_candidates
from models_ml.inference.spectrum_work import SpectrumWork
from models_ml.outcomes import AnnotateParams, CannotAnnotate, FindKnown, Outcome, Query, Retrieve
from models_ml.ranking.fuse import RankingWork, fuse_lists
from models_ml.ranking.model import RankingModel
from models_ml.spectra.precursor_window import no_candidates, prepare_spectrum
from models_ml.spectra.spectrum import Spectrum

StageCallback = Callable[[str], None]


def annotate(
    spectra: Sequence[Spectrum],
    *,
    model: GlmrModel,
    retrieve: Retrieve,
    params: AnnotateParams,
    references: ReferenceIndex | None = None,
    find_known: FindKnown | None = None,
    on_stage: StageCallback | None = None,
) -> list[Outcome]:
    """One outcome for each spectrum, in order. Each is the same as if the spectrum were annotated alone.

    `references`: reference spectra for the channel `analogs` of method `fused`.
    `find_known`: looks generated molecules up in the whole library. Without it, only the candidates of the
    same spectrum count as known.
    `on_stage`: called with the name of each stage when it starts. Its exceptions end the batch: this is how
    a cancelled job stops.
    """
    clock = _StageClock(on_stage)
    works = [SpectrumWork(spectrum) for spectrum in spectra]

    # 1. Preprocess: the peaks and the mass window of each spectrum, or the reason why it has none.
    with clock.stage("preprocess"):
        preprocess(works, model, params)

    # 2. Embed and retrieve: the library molecules in the mass window that are most similar to the spectrum.
    if pending := _unfinished(works):
        embed_and_retrieve(pending, model, retrieve, params, clock)

    # 3. Generate: molecules that the decoder reads from the spectrum and its candidates.
    pending = _unfinished(works)
    if pending and params.generate:
        with clock.stage("generate"):
            generate(pending, model, params, find_known)

    # 4. Re-rank: the candidates by their similarity to the spectrum and to the generated molecules.
    if pending:
        with clock.stage("rerank"):
            rerank(pending, model, params)

    # 5. Fuse: the candidates by all evidence channels together, with probabilities.
    if pending and params.method == "fused" and model.ranking is not None:
        with clock.stage("fuse"):
            fuse(pending, model.ranking, references, params)

    timings_s = clock.shares(len(works))
    return [work.outcome(timings_s) for work in works]


def preprocess(works: Sequence[SpectrumWork], model: GlmrModel, params: AnnotateParams) -> None:
    max_peaks = model.network.config.max_peaks
    for work in works:
        prepared = prepare_spectrum(work.spectrum, params, max_peaks=max_peaks)
        if isinstance(prepared, CannotAnnotate):
            work.failure = prepared
        else:
            work.prepared = prepared


def embed_and_retrieve(
    works: Sequence[SpectrumWork],
    model: GlmrModel,
    retrieve: Retrieve,
    params: AnnotateParams,
    clock: _StageClock,
) -> None:
    """Measured as two stages, because `embed` waits for the network and `retrieve` for the database."""
    with clock.stage("embed"):
        embed_spectra(works, model)
    with clock.stage("retrieve"):
        retrieve_candidates(works, retrieve, params)


def embed_spectra(works: Sequence[SpectrumWork], model: GlmrModel) -> None:
    embeddings, features, keep = model.encode_features([work.prepared.features for work in works])
    for index, work in enumerate(works):
        work.embedding, work.features, work.keep = embeddings[index], features[index], keep[index]


def retrieve_candidates(works: Sequence[SpectrumWork], retrieve: Retrieve, params: AnnotateParams) -> None:
    """One call of `retrieve` for the whole batch."""
    queries = [
        Query(
            embedding=work.embedding,
            neutral_mass=work.prepared.window.neutral_mass,
            tolerance_da=work.prepared.window.tolerance_da,
        )
        for work in works
    ]
    for work, retrieved in zip(works, retrieve(queries, params.n_candidates), strict=True):
        work.retrieved = retrieved
        if not retrieved.molecules:
            work.failure = no_candidates(work.prepared.window, params)


def generate(
    works: Sequence[SpectrumWork], model: GlmrModel, params: AnnotateParams, find_known: FindKnown | None
) -> None:
    for work, beams in zip(works, generate_molecules(works, model, params), strict=True):
        work.generated = distinct(beams)
    mark_known(works, find_known, params)


def rerank(works: Sequence[SpectrumWork], model: GlmrModel, params: AnnotateParams) -> None:
    """Each distinct generated molecule is encoded once for the whole batch."""
    smiles = sorted({molecule.smiles for work in works for molecule in work.generated if molecule.is_valid})
    embeddings = dict(zip(smiles, model.embed_molecules(smiles), strict=True))
    for work in works:
        work.ranked = rank_candidates(
            work.prepared.window, work.retrieved, work.generated, embeddings, params
        )


def fuse(
    works: Sequence[SpectrumWork],
    ranking: RankingModel,
    references: ReferenceIndex | None,
    params: AnnotateParams,
) -> None:
    lists = [RankingWork(work.prepared, work.retrieved, work.ranked) for work in works]
    fuse_lists(lists, ranking, references, params.without_channel)
    for work, fused in zip(works, lists, strict=True):
        work.ranked, work.confidence = fused.ranked, fused.confidence


def _unfinished(works: Sequence[SpectrumWork]) -> list[SpectrumWork]:
    return [work for work in works if work.failure is None]


class _StageClock:
    """Measures the seconds of each stage of a batch, and reports when a stage starts."""

    def __init__(self, on_stage: StageCallback | None) -> None:
        self.on_stage = on_stage
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        if self.on_stage is not None:
            self.on_stage(name)
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started

    def shares(self, n_spectra: int) -> dict[str, float]:
        """Seconds of each stage for one spectrum of the batch."""
        return {name: seconds / max(n_spectra, 1) for name, seconds in self.seconds.items()}
