"""Orders retrieved candidates by how near they lie to the generated molecules in the encoder's space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models_ml.outcomes import AnnotateParams, Embedding, GeneratedMolecule, RankedCandidate, Retrieved
from models_ml.spectra.precursor_window import PreparedSpectrum

# Similarities are compared to this many decimals: float32 sums differ beyond it with the batch's shape,
# and a rank must not depend on what else was in the batch.
DECIMALS = 5
BLEND_DECIMALS = 3  # a list whose similarities hardly differ has them stretched a hundredfold


def generated_similarities(
    candidates: Embedding, generated: Sequence[GeneratedMolecule], embeddings: Mapping[str, Embedding]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None:
    """Cosine of each candidate (K, D) to the valid beams, combined over them; None if none is valid.

    The nearest beam counts. On 499 validation spectra of glmr-0.1 that put 40.9 % of the truths first, the
    likeliest beam alone 39.5 %, the mean weighted by likelihood 39.7 %, the plain mean 39.5 %.
    """
    valid = [molecule for molecule in generated if molecule.is_valid]
    if not valid:
        return None
    vectors = np.stack([embeddings[molecule.smiles] for molecule in valid])
    nearest: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = (candidates @ vectors.T).max(axis=1)
    return nearest


def rerank_scores(
    embedding_similarity: Sequence[float],
    generated_similarity: Sequence[float | None],
    params: AnnotateParams,
) -> NDArray[np.float64]:
    """What one list's candidates (K,) are ordered by, larger first; equal ones go by embedding similarity.

    `generated` is the paper's: similarity to the generated molecules alone. `blend` adds to the retrieval's
    similarity `rerank_weight` times that, both z-scored within the list. Without a valid beam the list stays
    in retrieval's order in either case.
    """
    retrieval = np.array(embedding_similarity, np.float64).round(DECIMALS)
    if any(one is None for one in generated_similarity):
        return retrieval
    generated = np.array(generated_similarity, np.float64).round(DECIMALS)
    if params.rerank == "generated":
        return generated
    blended = _z_scores(retrieval) + params.rerank_weight * _z_scores(generated)
    return blended.round(BLEND_DECIMALS)


def rank_candidates(
    question: PreparedSpectrum,
    retrieved: Retrieved,
    generated: Sequence[GeneratedMolecule],
    embeddings: Mapping[str, Embedding],
    params: AnnotateParams,
) -> tuple[RankedCandidate, ...]:
    """By `rerank_scores`, embedding similarity, key."""
    molecules = retrieved.molecules
    similarities = generated_similarities(
        np.stack([molecule.embedding for molecule in molecules]), generated, embeddings
    )
    rounded: list[float | None] = [None] * len(molecules)
    if similarities is not None:
        rounded = [round(float(similarity), DECIMALS) for similarity in similarities]
    scores = rerank_scores([molecule.embedding_similarity for molecule in molecules], rounded, params)
    order = sorted(
        range(len(molecules)),
        key=lambda place: (
            -float(scores[place]),
            -round(molecules[place].embedding_similarity, DECIMALS),
            molecules[place].key,
        ),
    )
    return tuple(
        RankedCandidate(
            rank=rank,
            key=molecules[place].key,
            smiles=molecules[place].smiles,
            inchikey_first_block=molecules[place].inchikey_first_block,
            formula=molecules[place].formula,
            exact_mass=molecules[place].exact_mass,
            mass_error_ppm=question.mass_error_ppm(molecules[place].exact_mass),
            retrieval_rank=place + 1,
            embedding_similarity=molecules[place].embedding_similarity,
            generated_similarity=rounded[place],
        )
        for rank, place in enumerate(order, start=1)
    )


def _z_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Zeros if all values are equal."""
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)
