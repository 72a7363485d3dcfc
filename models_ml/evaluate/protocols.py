"""Protocols: which library molecules are the candidates of a spectrum, and a `retrieve` limited to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models_ml.evaluate.cases import NO_KEYS, Case
from models_ml.evaluate.library import Library
from models_ml.inference.memory_index import nearest_molecules
from models_ml.outcomes import AnnotateParams, Embedding, Query, Retrieved
from models_ml.spectra.precursor_window import PrecursorWindow, PreparedSpectrum, prepare_spectrum
from models_ml.spectra.zwitterions import is_zwitterion

# With fewer candidates, a random order is right too often for a useful test.
MIN_ISOMERS = 5

PROTOCOLS = {
    "precursor": "library molecules within the precursor tolerance (10 ppm)",
    "formula": "library molecules of the truth's formula",
    "isomers": f"as formula, only spectra with at least {MIN_ISOMERS} candidates",
    "whole": "the whole library, no mass filter",
}


def with_candidates(
    cases: Sequence[Case], library: Library, protocol: str, params: AnnotateParams, *, max_peaks: int
) -> list[Case]:
    """The cases of the protocol, with their candidates. A spectrum that cannot be annotated has none."""
    whole_library = np.arange(len(library))
    selected: list[Case] = []
    for case in cases:
        prepared = prepare_spectrum(case.spectrum, params, max_peaks=max_peaks)
        keys = NO_KEYS
        if isinstance(prepared, PreparedSpectrum):
            keys = whole_library if protocol == "whole" else _keys(case, prepared.window, library, protocol)
        if protocol != "isomers" or len(keys) >= MIN_ISOMERS:
            selected.append(replace(case, keys=keys))
    return selected


def without_truth(cases: Sequence[Case], library: Library) -> list[Case]:
    """The cases with the truth deleted from their candidates, without those that have no other candidate."""
    kept: list[Case] = []
    for case in cases:
        keys = case.keys[case.keys != library.key_of(case.compound)]
        if len(keys):
            kept.append(replace(case, keys=keys))
    return kept


def restricted_retrieve(
    cases: Sequence[Case], library: Library, vectors: Embedding
) -> Callable[[Sequence[Query], int], list[Retrieved]]:
    """A `Retrieve` for these cases only: it answers query n from the candidates of case n.

    It ignores the mass window of the query, because the protocol has selected the candidates already.
    `vectors`: embeddings (n, D) of the library. Raises ValueError unless there is one query per case.
    """

    def retrieve(queries: Sequence[Query], k: int) -> list[Retrieved]:
        if len(queries) != len(cases):
            raise ValueError(f"{len(queries)} queries for {len(cases)} cases; there must be one per case.")
        return [
            nearest_molecules(case.keys, query.embedding, library.molecules, vectors, k)
            for case, query in zip(cases, queries, strict=True)
        ]

    return retrieve


def _keys(case: Case, window: PrecursorWindow, library: Library, protocol: str) -> NDArray[np.int64]:
    if protocol == "precursor":
        keys = library.of_mass(window.neutral_mass, window.tolerance_da)
        if window.zwitterion_mass is None:
            return keys
        second = library.of_mass(window.zwitterion_mass, window.tolerance_da)
        zwitterions = [key for key in second if is_zwitterion(library.molecules[key].smiles)]
        return np.union1d(keys, np.array(zwitterions, np.int64))
    return library.of_formula(case.truth.formula)
