"""Generates molecules from spectra and their candidates, and looks them up in the library.

Symbols: docs/glossary.md.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models_ml.generation.beam_search import Beam, BeamConstraints, beam_search
from models_ml.generation.mass_budget import MassBudget
from models_ml.generation.token_chemistry import token_table
from models_ml.inference.checkpoint import GlmrModel
from models_ml.inference.feature_work import FeatureWork
from models_ml.molecules.standardise import identify
from models_ml.networks.context import NO_CANDIDATE, Candidates, Memory, PackedTokens
from models_ml.outcomes import AnnotateParams, FindKnown, GeneratedMolecule
from models_ml.spectra.precursor_window import PrecursorWindow

# A batch of 64 takes seconds. A machine that needs a hundred times as long cannot do this work.
GENERATION_DEADLINE_S = 600.0


def generate_molecules(
    works: Sequence[FeatureWork], model: GlmrModel, params: AnnotateParams
) -> list[list[GeneratedMolecule]]:
    """All beams of each feature, best first, invalid ones included."""
    found = beam_search(
        model.network.decoder,
        build_memory(works, model, params),
        beam_size=params.beam_size,
        max_tokens=min(params.max_tokens, model.network.config.max_tokens),
        deadline_s=GENERATION_DEADLINE_S,
        constraints=beam_constraints(works, model, params),
    )
    return [
        [_molecule(beam, rank, work.window, model) for rank, beam in enumerate(beams, start=1)]
        for work, beams in zip(works, found, strict=True)
    ]


def build_memory(works: Sequence[FeatureWork], model: GlmrModel, params: AnnotateParams) -> Memory:
    """The decoder's memory of each feature, from the representative's H^s and its candidates."""
    with torch.inference_mode():
        features = torch.stack([work.leader.features for work in works])
        keep = torch.stack([work.leader.keep for work in works])
        return model.network.memory(features, keep, _candidates(works, model, params))


def beam_constraints(
    works: Sequence[FeatureWork], model: GlmrModel, params: AnnotateParams
) -> BeamConstraints | None:
    """Syntax and mass constraints of the search, by the parameters; None if both are off."""
    if not params.syntax_constraint and not params.mass_constraint:
        return None
    budget = None
    if params.mass_constraint:
        windows = [(work.window.neutral_mass, work.window.tolerance_da) for work in works]
        columns = torch.tensor(windows, dtype=torch.float64, device=model.device)
        budget = MassBudget(columns[:, 0], columns[:, 1], params.mass_constraint)
    table = token_table(model.tokenizer.tokens, model.device)
    return BeamConstraints(table, syntax=params.syntax_constraint, mass=budget)


def distinct(beams: Sequence[GeneratedMolecule]) -> list[GeneratedMolecule]:
    """Each molecule once, from its best beam. Beam ranks stay, so a gap in them shows a repeated molecule."""
    seen: set[str] = set()
    kept: list[GeneratedMolecule] = []
    for molecule in beams:
        identity = molecule.inchikey_first_block
        if not identity or identity not in seen:
            kept.append(molecule)
        seen.add(identity)
    return kept


def mark_known(works: Sequence[FeatureWork], find_known: FindKnown | None, params: AnnotateParams) -> None:
    """Mark the generated molecules that the library holds, and propose those that it lacks and that fit.

    A candidate of the same feature is in the library. `find_known` looks up all others, in one call for the
    whole batch.
    """
    candidates = [{molecule.inchikey_first_block for molecule in work.retrieved.molecules} for work in works]
    unknown = {
        molecule.inchikey_first_block
        for work, blocks in zip(works, candidates, strict=True)
        for molecule in work.generated
        if molecule.is_valid and molecule.inchikey_first_block not in blocks
    }
    known: Set[str] = find_known(sorted(unknown)) if find_known is not None and unknown else frozenset()
    for work, blocks in zip(works, candidates, strict=True):
        work.generated = [_marked(molecule, blocks | known, params) for molecule in work.generated]


def _marked(molecule: GeneratedMolecule, known: Set[str], params: AnnotateParams) -> GeneratedMolecule:
    if not molecule.is_valid:
        return molecule
    in_library = molecule.inchikey_first_block in known
    is_proposed = not in_library and molecule.fits(params.precursor_tolerance_ppm)
    return replace(molecule, in_library=in_library, is_proposed=is_proposed)


def _molecule(beam: Beam, rank: int, window: PrecursorWindow, model: GlmrModel) -> GeneratedMolecule:
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
        mass_error_ppm=window.mass_error_ppm(standard.exact_mass, standard.smiles),
    )


def _candidates(works: Sequence[FeatureWork], model: GlmrModel, params: AnnotateParams) -> Candidates:
    """The retrieved molecules, padded. Without `use_candidates` all of them are masked."""
    # One masked column if no feature of the batch has a candidate
    shape = len(works), max(1, *(len(work.retrieved.molecules) for work in works))
    embeddings = np.zeros((*shape, model.embedding_dim), np.float32)
    similarity = np.zeros(shape, np.float32)
    keep = np.zeros(shape, bool)
    for row, work in enumerate(works):
        for column, molecule in enumerate(work.retrieved.molecules):
            embeddings[row, column] = molecule.embedding
            similarity[row, column] = molecule.embedding_similarity
            keep[row, column] = params.use_candidates
    return Candidates(
        embeddings=torch.from_numpy(embeddings).to(model.device),
        keep=torch.from_numpy(keep).to(model.device),
        similarity=torch.from_numpy(similarity).to(model.device),
        read=lambda indices: _read_tokens(works, indices, model),
    )


def _read_tokens(works: Sequence[FeatureWork], indices: Tensor, model: GlmrModel) -> PackedTokens:
    """H^m of the candidates at `indices` (B, M) of each spectrum. Each distinct molecule is encoded once."""
    rows = [
        [work.retrieved.molecules[index].smiles for index in row if index != NO_CANDIDATE]
        for work, row in zip(works, indices.tolist(), strict=True)
    ]
    smiles = sorted({text for row in rows for text in row})
    features = dict(zip(smiles, model.read_molecules(smiles), strict=True))
    like = torch.empty(0, model.network.config.d_molecule, device=model.device)
    return PackedTokens.of([[features[text] for text in row] for row in rows], like)
