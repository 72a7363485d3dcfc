"""Batches of spectra with their candidates and the strings to generate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models_ml.networks.context import NO_CANDIDATE, PackedTokens, ReadTokens
from models_ml.networks.spectrum import SpectrumBatch, SpectrumEncoder
from models_ml.tensors import pad_tokens
from models_ml.training.arrays import MoleculeArrays, SpectrumArrays
from models_ml.training.batches import length_bucketed, spectrum_batch
from models_ml.training.generative.candidates import CandidateSet
from models_ml.training.generative.token_reader import TokenReader


@dataclass(frozen=True, slots=True, eq=False)
class GenerativeBatch:
    """B spectra with K candidates each, and the strings to generate."""

    encoder: SpectrumEncoder  # one that may read these spectra
    spectra: SpectrumBatch
    embeddings: Tensor  # E^m of the candidates (B, K, D)
    keep: Tensor  # (B, K)
    read: ReadTokens
    target: Tensor  # (B, T)


class GenerativeData:
    """Batches of the rows of one candidate set, read by one encoder."""

    def __init__(
        self,
        encoder: SpectrumEncoder,
        spectra: SpectrumArrays,
        compounds: MoleculeArrays,
        candidate_set: CandidateSet,
        library_vectors: NDArray[np.float32],
        reader: TokenReader,
    ) -> None:
        self.encoder = encoder
        self.spectra = spectra
        self.compounds = compounds
        self.set = candidate_set
        self.vectors = library_vectors
        self.reader = reader
        self.device = reader.device

    def batch(self, indices: NDArray[np.int64], drop_truth: NDArray[np.bool_]) -> GenerativeBatch:
        """`indices` (B,) into the candidate set. `drop_truth` (B,): rows that lose their own molecule."""
        rows = self.set.rows[indices]
        candidates = self.set.candidates[indices]
        dropped = (candidates == self.set.own[indices][:, None]) & drop_truth[:, None]
        keep = (candidates != NO_CANDIDATE) & ~dropped
        vectors = self.vectors[np.where(keep, candidates, 0)]
        compounds = self.spectra.compound[rows].tolist()
        target = pad_tokens([self.compounds.spelling(compound, 0) for compound in compounds])

        def read(columns: Tensor) -> PackedTokens:
            chosen = columns.cpu().numpy()
            molecules = np.take_along_axis(candidates, chosen.clip(min=0), 1)
            return self.reader.read(np.where(chosen == NO_CANDIDATE, NO_CANDIDATE, molecules))

        return GenerativeBatch(
            self.encoder,
            spectrum_batch(self.spectra, rows).to(self.device),
            torch.from_numpy(vectors).to(self.device),
            torch.from_numpy(keep).to(self.device),
            read,
            target.to(self.device),
        )

    def batches(self, batch_size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """Endless batches of indices whose targets have similar length."""
        lengths = self.compounds.lengths()[self.spectra.compound[self.set.rows], 0]
        while True:
            yield from length_bucketed(lengths, batch_size, rng)

    def __len__(self) -> int:
        return len(self.set.rows)


def batches_of_parts(
    parts: Sequence[GenerativeData], batch_size: int, rng: np.random.Generator
) -> Iterator[tuple[GenerativeData, NDArray[np.int64]]]:
    """Endless batches, each of one part. A part is drawn in proportion to its size."""
    sizes = np.array([len(part) for part in parts])
    batches = [part.batches(batch_size, rng) for part in parts]
    while True:
        chosen = int(rng.choice(len(parts), p=sizes / sizes.sum()))
        yield parts[chosen], next(batches[chosen])
