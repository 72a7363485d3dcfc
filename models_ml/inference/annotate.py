"""The whole method, from spectra to ranked molecules. The server and the evaluation both run `annotate`.

`annotate` is a list of stages. Each stage is one function below and fills its part of every feature's record
(`FeatureWork`). Symbols: docs/glossary.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from models_ml.evidence.analogs import ReferenceIndex
from models_ml.formulas.ranking import rank_formulas
from models_ml.inference.checkpoint import GlmrModel
from models_ml.inference.feature_work import FeatureWork
from models_ml.inference.molecule_generation import distinct, generate_molecules, mark_known
from models_ml.inference.rerank import rank_candidates
from models_ml.outcomes import AnnotateParams, CannotAnnotate, FindKnown, Outcome, Retrieve
from models_ml.ranking.fuse import MemberList, RankingWork, fuse_lists
from models_ml.ranking.model import RankingModel
from models_ml.ranking.pool import pool_embeddings
from models_ml.spectra.feature import Feature
from models_ml.spectra.precursor_window import no_candidates
from models_ml.spectra.prepared_feature import prepare_members
from models_ml.spectra.spectrum import Spectrum

StageCallback = Callable[[str], None]


def annotate(
    inputs: Sequence[Spectrum | Feature],
    *,
    model: GlmrModel,
    retrieve: Retrieve,
    params: AnnotateParams,
    references: ReferenceIndex | None = None,
    find_known: FindKnown | None = None,
    on_stage: StageCallback | None = None,
) -> list[Outcome]:
    """One outcome for each input, in order. Each is the same as if the input were annotated alone.

    A spectrum is a feature with one member. The members of a feature share one precursor window, one list of
    candidates and one search of the decoder, all from the representative except for the pooled embedding that
    retrieves. Each member then ranks the list, and the results are pooled (models_ml/ranking/pool.py). A
    member that cannot be used is reported in the outcome, and the others go on without it.

    `references`: reference spectra for the channel `analogs` of method `fused`.
    `find_known`: looks generated molecules up in the whole library. Without it, only the candidates of the
    same feature count as known.
    `on_stage`: called with the name of each stage when it starts. Its exceptions end the batch: this is how
    a cancelled job stops.
    """
    clock = _StageClock(on_stage)
    works = [FeatureWork.of(spectrum) for spectrum in inputs]

    # 1. Preprocess: the peaks of each spectrum and the mass window, or the reason why there is none.
    with clock.stage("preprocess"):
        preprocess(works, model, params)

    # 2. Embed and retrieve: the library molecules in the mass window that are most similar to the spectra.
    pending = [work for work in works if work.failure is None]
    if pending:
        embed_and_retrieve(pending, model, retrieve, params, clock)

    # 3. Generate: molecules that the decoder reads from a spectrum and its candidates, if there are any.
    if pending and params.generate:
        with clock.stage("generate"):
            generate(pending, model, params, find_known)

    # 4. Re-rank: the candidates by their similarity to the spectra and to the generated molecules.
    matched = [work for work in pending if not work.no_match]
    if matched:
        with clock.stage("rerank"):
            rerank(matched, model, params)

    # 5. Fuse: the candidates by all evidence channels of all members together, with probabilities.
    if matched and params.method == "fused" and model.ranking is not None:
        with clock.stage("fuse"):
            fuse(matched, model.ranking, references, params)

    # 6. Formulas: the molecular formulas that the precursor allows, ranked by the peaks, without the library.
    if pending:
        with clock.stage("formulas"):
            rank_formula_candidates(pending, params)

    timings_s = clock.shares(len(works))
    return [work.outcome(timings_s) for work in works]


def preprocess(works: Sequence[FeatureWork], model: GlmrModel, params: AnnotateParams) -> None:
    max_peaks = model.network.config.max_peaks
    for work in works:
        feature = Feature(tuple(member.spectrum for member in work.members), work.representative)
        prepared, work.representative = prepare_members(feature, params, max_peaks=max_peaks)
        for member, result in zip(work.members, prepared, strict=True):
            if isinstance(result, CannotAnnotate):
                member.failure = result
            else:
                member.prepared = result
        work.failure = work.leader.failure


def embed_and_retrieve(
    works: Sequence[FeatureWork],
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


def embed_spectra(works: Sequence[FeatureWork], model: GlmrModel) -> None:
    members = [member for work in works for member in work.usable]
    embeddings, features, keep = model.encode_features([member.prepared.features for member in members])
    for index, member in enumerate(members):
        member.embedding, member.features, member.keep = embeddings[index], features[index], keep[index]
    for work in works:
        work.embedding = pool_embeddings([member.embedding for member in work.usable])


def retrieve_candidates(works: Sequence[FeatureWork], retrieve: Retrieve, params: AnnotateParams) -> None:
    """One call of `retrieve` for the whole batch."""
    queries = [work.window.query(work.embedding) for work in works]
    for work, retrieved in zip(works, retrieve(queries, params.n_candidates), strict=True):
        work.retrieved = retrieved
        if not retrieved.molecules:
            work.no_match = no_candidates(work.window, params)


def generate(
    works: Sequence[FeatureWork], model: GlmrModel, params: AnnotateParams, find_known: FindKnown | None
) -> None:
    for work, beams in zip(works, generate_molecules(works, model, params), strict=True):
        work.generated = distinct(beams)
    mark_known(works, find_known, params)


def rerank(works: Sequence[FeatureWork], model: GlmrModel, params: AnnotateParams) -> None:
    """Each distinct generated molecule is encoded once for the whole batch."""
    smiles = sorted({molecule.smiles for work in works for molecule in work.generated if molecule.is_valid})
    embeddings = dict(zip(smiles, model.embed_molecules(smiles), strict=True))
    for work in works:
        work.ranked = rank_candidates(work.window, work.retrieved, work.generated, embeddings, params)


def fuse(
    works: Sequence[FeatureWork],
    ranking: RankingModel,
    references: ReferenceIndex | None,
    params: AnnotateParams,
) -> None:
    lists = [
        RankingWork(
            [
                MemberList(index, member.prepared, member.embedding)
                for index, member in enumerate(work.members)
                if member.failure is None
            ],
            work.retrieved,
            work.ranked,
        )
        for work in works
    ]
    fuse_lists(lists, ranking, references, params.without_channel)
    for work, fused in zip(works, lists, strict=True):
        work.ranked, work.confidence, work.outcomes = fused.ranked, fused.confidence, fused.outcomes


def rank_formula_candidates(works: Sequence[FeatureWork], params: AnnotateParams) -> None:
    """From the representative's peaks, and from its isotope pattern where an MS1 scan shows one."""
    for work in works:
        spectrum = work.leader.spectrum
        survey = spectrum.survey
        # If the instrument selected M+1, the peaks before it may be those of another ion.
        use_pattern = survey is not None and survey.has_pattern and survey.selected_isotope == 0
        found = rank_formulas(
            spectrum.mz,
            spectrum.intensity,
            work.window.precursor_mz,
            work.window.adduct,
            params.precursor_tolerance_ppm,
            survey if use_pattern else None,
        )
        work.formulas, work.formula_note = found.candidates, found.limit


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

    def shares(self, n_inputs: int) -> dict[str, float]:
        """Seconds of each stage for one input of the batch."""
        return {name: seconds / max(n_inputs, 1) for name, seconds in self.seconds.items()}
