"""The whole method, spectrum to ranked molecules. Server and evaluation run this one function."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models_ml.evidence.analogs import ReferenceIndex
from models_ml.generation.beam_search import Beam, BeamConstraints, beam_search
from models_ml.generation.mass_budget import MassBudget
from models_ml.generation.token_chemistry import token_table
from models_ml.inference.checkpoint import GlmrModel
from models_ml.inference.rerank import rank_candidates
from models_ml.molecules.standardise import identify
from models_ml.networks.context import NO_CANDIDATE, Candidates, Memory, PackedTokens
from models_ml.outcomes import (
    Annotated,
    AnnotateParams,
    CannotAnnotate,
    Confidence,
    Embedding,
    FindKnown,
    GeneratedMolecule,
    Outcome,
    Query,
    RankedCandidate,
    Retrieve,
    Retrieved,
)
from models_ml.ranking.fuse import fuse
from models_ml.spectra.precursor_window import PreparedSpectrum, no_candidates, prepare_spectrum
from models_ml.spectra.spectrum import Spectrum

StageCallback = Callable[[str], None]
# A batch of 64 takes seconds; a hundred times that means a machine that cannot do its work.
GENERATION_DEADLINE_S = 600.0


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
    """One outcome a spectrum, in order. A batch gives what its spectra give alone.

    `references`: spectra of known compounds, whose analogs speak in method `fused`. `find_known` looks
    generated molecules up in the whole library; without it only the retrieved candidates count as known.
    `on_stage` hears each stage's name as it begins; what it raises ends the batch (a cancelled job).
    """
    clock = _Clock(on_stage)
    with clock.stage("preprocess"):
        asked = preprocess_spectra(spectra, model, params)
    open_places = [place for place, question in enumerate(asked) if isinstance(question, PreparedSpectrum)]
    questions = [question for question in asked if isinstance(question, PreparedSpectrum)]
    outcomes: list[Outcome | None] = [one if isinstance(one, CannotAnnotate) else None for one in asked]
    for place, outcome in zip(
        open_places,
        _answer(questions, model, retrieve, params, references, find_known, clock),
        strict=True,
    ):
        outcomes[place] = outcome
    shares = clock.shares(len(spectra))
    return [
        replace(o, timings_s=shares) if isinstance(o, Annotated) else o for o in outcomes if o is not None
    ]


def _answer(
    questions: list[PreparedSpectrum],
    model: GlmrModel,
    retrieve: Retrieve,
    params: AnnotateParams,
    references: ReferenceIndex | None,
    find_known: FindKnown | None,
    clock: _Clock,
) -> list[Outcome]:
    if not questions:
        return []
    with clock.stage("embed"):
        embeddings, features, keep = embed_spectra(questions, model)
    with clock.stage("retrieve"):
        retrieved = retrieve_candidates(questions, embeddings, retrieve, params)
    some = [place for place, one in enumerate(retrieved) if one.molecules]
    outcomes: list[Outcome] = [no_candidates(question, params) for question in questions]
    if not some:
        return outcomes
    kept = [questions[place] for place in some]
    found = [retrieved[place] for place in some]
    generated: list[list[GeneratedMolecule]] = [[] for _ in kept]
    if params.generate:
        with clock.stage("generate"):
            beams = generate_molecules(kept, found, features[some], keep[some], model, params)
            generated = mark_known([distinct(one) for one in beams], found, find_known, params)
    with clock.stage("rerank"):
        ranked = rerank_candidates(kept, found, generated, model, params)
    confidences: list[Confidence | None] = [None] * len(kept)
    if params.method == "fused" and model.ranking is not None:
        with clock.stage("fuse"):
            fused = fuse(kept, found, ranked, model.ranking, references, params.without_channel)
        ranked = [one.candidates for one in fused]
        confidences = [one.confidence for one in fused]
    for place, question, one, molecules, candidates, confidence in zip(
        some, kept, found, generated, ranked, confidences, strict=True
    ):
        outcomes[place] = Annotated(
            adduct=question.adduct,
            adduct_assumed=question.adduct_assumed,
            neutral_mass=question.neutral_mass,
            n_in_window=one.n_in_window,
            candidates=candidates,
            generated=tuple(molecules),
            timings_s={},
            confidence=confidence,
        )
    return outcomes


def preprocess_spectra(
    spectra: Sequence[Spectrum], model: GlmrModel, params: AnnotateParams
) -> list[PreparedSpectrum | CannotAnnotate]:
    max_peaks = model.network.config.max_peaks
    return [prepare_spectrum(spectrum, params, max_peaks=max_peaks) for spectrum in spectra]


def embed_spectra(
    questions: Sequence[PreparedSpectrum], model: GlmrModel
) -> tuple[Embedding, Tensor, Tensor]:
    """E^s (B, D), token features H^s (B, T, Ds) and their keep mask."""
    return model.encode_features([question.features for question in questions])


def retrieve_candidates(
    questions: Sequence[PreparedSpectrum], embeddings: Embedding, retrieve: Retrieve, params: AnnotateParams
) -> Sequence[Retrieved]:
    queries = [
        Query(embedding=embedding, neutral_mass=question.neutral_mass, tolerance_da=question.tolerance_da)
        for question, embedding in zip(questions, embeddings, strict=True)
    ]
    return retrieve(queries, params.n_candidates)


def generate_molecules(
    questions: Sequence[PreparedSpectrum],
    retrieved: Sequence[Retrieved],
    features: Tensor,
    keep: Tensor,
    model: GlmrModel,
    params: AnnotateParams,
) -> list[list[GeneratedMolecule]]:
    """All beams of each spectrum, best first, invalid ones too."""
    found = beam_search(
        model.network.decoder,
        fuse_memory(retrieved, features, keep, model, params),
        beam_size=params.beam_size,
        max_tokens=min(params.max_tokens, model.network.config.max_tokens),
        deadline_s=GENERATION_DEADLINE_S,
        constraints=_constraints(questions, model, params),
    )
    return [
        [_molecule(beam, rank, question, model) for rank, beam in enumerate(beams, start=1)]
        for question, beams in zip(questions, found, strict=True)
    ]


def fuse_memory(
    retrieved: Sequence[Retrieved], features: Tensor, keep: Tensor, model: GlmrModel, params: AnnotateParams
) -> Memory:
    """What the decoder reads: spectra with their candidates."""
    with torch.inference_mode():
        return model.network.memory(features, keep, _pad_candidates(retrieved, model, params))


def distinct(beams: Sequence[GeneratedMolecule]) -> list[GeneratedMolecule]:
    """Each molecule once, as its best beam wrote it. Beam ranks stay, so that a gap tells of a repetition."""
    seen: set[str] = set()
    kept: list[GeneratedMolecule] = []
    for molecule in beams:
        identity = molecule.inchikey_first_block
        if not identity or identity not in seen:
            kept.append(molecule)
        seen.add(identity)
    return kept


def mark_known(
    generated: Sequence[Sequence[GeneratedMolecule]],
    retrieved: Sequence[Retrieved],
    find_known: FindKnown | None,
    params: AnnotateParams,
) -> list[list[GeneratedMolecule]]:
    """Say of each molecule whether the library holds it, and propose those that it lacks and that fit."""
    known = {molecule.inchikey_first_block for one in retrieved for molecule in one.molecules}
    blocks = {molecule.inchikey_first_block for beams in generated for molecule in beams if molecule.is_valid}
    unsure = sorted(blocks - known)
    if find_known is not None and unsure:
        known.update(find_known(unsure))
    return [[_marked(molecule, known, params) for molecule in beams] for beams in generated]


def _marked(molecule: GeneratedMolecule, known: Set[str], params: AnnotateParams) -> GeneratedMolecule:
    if not molecule.is_valid or molecule.mass_error_ppm is None:
        return molecule
    in_library = molecule.inchikey_first_block in known
    fits = abs(molecule.mass_error_ppm) <= params.precursor_tolerance_ppm
    return replace(molecule, in_library=in_library, is_proposed=fits and not in_library)


def rerank_candidates(
    questions: Sequence[PreparedSpectrum],
    retrieved: Sequence[Retrieved],
    generated: Sequence[Sequence[GeneratedMolecule]],
    model: GlmrModel,
    params: AnnotateParams,
) -> list[tuple[RankedCandidate, ...]]:
    """Each distinct generated molecule is encoded once for the whole batch."""
    smiles = sorted({molecule.smiles for beams in generated for molecule in beams if molecule.is_valid})
    vectors = model.embed_molecules(smiles)
    embeddings = dict(zip(smiles, vectors, strict=True))
    return [
        rank_candidates(question, one, beams, embeddings, params)
        for question, one, beams in zip(questions, retrieved, generated, strict=True)
    ]


def _molecule(beam: Beam, rank: int, question: PreparedSpectrum, model: GlmrModel) -> GeneratedMolecule:
    text = model.tokenizer.decode(beam.tokens)
    standard = identify(text)
    if standard is None:
        return GeneratedMolecule(beam_rank=rank, text=text, log_likelihood=beam.log_likelihood)
    return GeneratedMolecule(
        beam_rank=rank,
        text=text,
        log_likelihood=beam.log_likelihood,
        smiles=standard.smiles,
        inchikey_first_block=standard.inchikey_first_block,
        formula=standard.formula,
        exact_mass=standard.exact_mass,
        mass_error_ppm=question.mass_error_ppm(standard.exact_mass),
    )


def _constraints(
    questions: Sequence[PreparedSpectrum], model: GlmrModel, params: AnnotateParams
) -> BeamConstraints | None:
    if not params.syntax_constraint and not params.mass_constraint:
        return None
    budget = None
    if params.mass_constraint:
        masses = [[question.neutral_mass, question.tolerance_da] for question in questions]
        columns = torch.tensor(masses, dtype=torch.float64, device=model.device)
        budget = MassBudget(columns[:, 0], columns[:, 1], params.mass_constraint)
    table = token_table(model.tokenizer.tokens, model.device)
    return BeamConstraints(table, syntax=params.syntax_constraint, mass=budget)


def _pad_candidates(retrieved: Sequence[Retrieved], model: GlmrModel, params: AnnotateParams) -> Candidates:
    longest = max(len(one.molecules) for one in retrieved)
    vectors = np.zeros((len(retrieved), longest, model.embedding_dim), np.float32)
    similarity = np.zeros((len(retrieved), longest), np.float32)
    keep = np.zeros((len(retrieved), longest), bool)
    for place, one in enumerate(retrieved):
        for column, molecule in enumerate(one.molecules):
            vectors[place, column] = molecule.embedding
            similarity[place, column] = molecule.embedding_similarity
            keep[place, column] = params.use_candidates

    def read(places: Tensor) -> PackedTokens:
        rows = [
            [one.molecules[column].smiles for column in columns if column != NO_CANDIDATE]
            for one, columns in zip(retrieved, places.tolist(), strict=True)
        ]
        smiles = sorted({text for row in rows for text in row})
        features = dict(zip(smiles, model.read_molecules(smiles), strict=True))
        like = torch.empty(0, model.network.config.d_molecule, device=model.device)
        return PackedTokens.of([[features[text] for text in row] for row in rows], like)

    return Candidates(
        embeddings=torch.from_numpy(vectors).to(model.device),
        keep=torch.from_numpy(keep).to(model.device),
        similarity=torch.from_numpy(similarity).to(model.device),
        read=read,
    )


class _Clock:
    """Seconds of each stage of a batch, and the news that a stage begins."""

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

    def shares(self, n: int) -> dict[str, float]:
        return {name: seconds / max(n, 1) for name, seconds in self.seconds.items()}
