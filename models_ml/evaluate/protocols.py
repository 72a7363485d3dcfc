"""Among which library molecules a method has to find the truth, and the `retrieve` that keeps to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models_ml.evaluate.cases import NO_KEYS, Case
from models_ml.evaluate.library import Library
from models_ml.outcomes import AnnotateParams, Embedding, Query, Retrieved, RetrievedMolecule
from models_ml.spectra.precursor_window import PreparedSpectrum, prepare_spectrum

# An isomer test with fewer candidates says little: chance alone would be right.
LEAST_ISOMERS = 5

PROTOCOLS = {
    "precursor": "library molecules within the precursor tolerance (10 ppm)",
    "formula": "library molecules of the truth's formula",
    "isomers": f"as formula, only spectra with at least {LEAST_ISOMERS} candidates",
    "whole": "the whole library, no mass filter",
}


def with_candidates(
    cases: Sequence[Case], library: Library, protocol: str, params: AnnotateParams, *, max_peaks: int
) -> list[Case]:
    """The cases that the protocol asks, with their candidates; a spectrum that cannot be asked has none."""
    everything = np.arange(len(library))
    found: list[Case] = []
    for case in cases:
        question = prepare_spectrum(case.spectrum, params, max_peaks=max_peaks)
        keys = NO_KEYS
        if isinstance(question, PreparedSpectrum):
            keys = everything if protocol == "whole" else _keys(case, question, library, protocol)
        if protocol != "isomers" or len(keys) >= LEAST_ISOMERS:
            found.append(replace(case, keys=keys))
    return found


def without_truth(cases: Sequence[Case], library: Library) -> list[Case]:
    """The cases with their truth deleted from the candidates; a case that has no other is left out."""
    kept: list[Case] = []
    for case in cases:
        keys = case.keys[case.keys != library.key_of(case.compound)]
        if len(keys):
            kept.append(replace(case, keys=keys))
    return kept


def restricted_retrieve(
    cases: Sequence[Case], library: Library, vectors: Embedding
) -> Callable[[Sequence[Query], int], list[Retrieved]]:
    """A `Retrieve` for these cases alone: query n is answered from the candidates of case n.

    The query's mass window is not looked at, for the protocol has drawn it already. `vectors` (n, D) of the
    library. Raises ValueError if it is asked another number of queries than there are cases.
    """

    def retrieve(queries: Sequence[Query], k: int) -> list[Retrieved]:
        if len(queries) != len(cases):
            raise ValueError(f"{len(queries)} queries for {len(cases)} cases: they cannot be told apart.")
        return [
            _nearest(case.keys, query.embedding, library, vectors, k)
            for case, query in zip(cases, queries, strict=True)
        ]

    return retrieve


def _keys(case: Case, question: PreparedSpectrum, library: Library, protocol: str) -> NDArray[np.int64]:
    if protocol == "precursor":
        return library.of_mass(question.neutral_mass, question.tolerance_da)
    return library.of_formula(case.truth.formula)


def _nearest(
    keys: NDArray[np.int64], embedding: Embedding, library: Library, vectors: Embedding, k: int
) -> Retrieved:
    """The k candidates of greatest similarity, ties by key."""
    everything = len(keys) == len(library)
    similarities = (vectors if everything else vectors[keys]) @ embedding
    some = np.arange(len(keys))
    if len(keys) > 4 * k:  # sort only what can be among the first k, ties included
        some = np.flatnonzero(similarities >= np.partition(similarities, len(keys) - k)[len(keys) - k])
    best = some[np.argsort(-similarities[some], kind="stable")[:k]]
    found = [_molecule(int(keys[place]), float(similarities[place]), library, vectors) for place in best]
    return Retrieved(molecules=tuple(found), n_in_window=len(keys))


def _molecule(key: int, similarity: float, library: Library, vectors: Embedding) -> RetrievedMolecule:
    one = library.molecules[key]
    return RetrievedMolecule(
        key=key,
        smiles=one.smiles,
        inchikey_first_block=one.inchikey_first_block,
        formula=one.formula,
        exact_mass=one.exact_mass,
        embedding=vectors[key],
        embedding_similarity=similarity,
        fingerprint=one.fingerprint,
    )
