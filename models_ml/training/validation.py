"""Measures during training how well the spectrum encoder retrieves validation molecules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models_ml.networks.glmr import GlmrNetwork
from models_ml.training.arrays import MoleculeArrays, SpectrumArrays
from models_ml.training.mass_windows import MassSorted
from models_ml.training.vectors import embed_spectrum_rows, molecule_vectors

COVERAGE_BATCH = 128
WHOLE_AT_MOST = 500  # spectra that are also searched in the whole library, without a mass window


def expected_rank(similarities: NDArray[np.float32], truth: int) -> float:
    """Rank of the truth, 1 is best. Ties take their mean rank."""
    own = similarities[truth]
    return float((similarities > own).sum() + ((similarities == own).sum() + 1) / 2)


@dataclass(frozen=True, slots=True, eq=False)
class RetrievalCheck:
    """A fixed draw of validation spectra, and the library with the validation compounds."""

    spectra: SpectrumArrays
    rows: NDArray[np.int64]
    pooled: NDArray[np.float16]  # input of the embedding head for library and validation compounds
    mass_sorted: MassSorted
    truth: NDArray[np.int64]  # row in `pooled` of each validation compound

    @classmethod
    def build(
        cls,
        spectra: SpectrumArrays,
        compounds: MoleculeArrays,
        compound_pooled: NDArray[np.float16],
        library: MoleculeArrays,
        library_pooled: NDArray[np.float16],
        *,
        per_compound: int,
        seed: int,
    ) -> RetrievalCheck:
        # The library must not hold a validation compound twice.
        known = set(compounds.smiles)
        other = np.array([smiles not in known for smiles in library.smiles])
        return cls(
            spectra=spectra,
            rows=_first_of_each(spectra, per_compound, np.random.default_rng(seed)),
            pooled=np.concatenate([library_pooled[other], compound_pooled]),
            mass_sorted=MassSorted.of(np.concatenate([library.exact_mass[other], compounds.exact_mass])),
            truth=int(other.sum()) + np.arange(len(compounds)),
        )

    def measure(self, network: GlmrNetwork, device: str) -> dict[str, float]:
        embedded = embed_spectrum_rows(network, self.spectra, self.rows, device)
        vectors = molecule_vectors(network, self.pooled, device=device)
        ranks: list[float] = []
        gap: list[float] = []
        for vector, row in zip(embedded, self.rows, strict=True):
            truth = self.truth[self.spectra.compound[row]]
            window = self.mass_sorted.window(self.spectra.neutral_mass[row], self.spectra.precursor_mz[row])
            window = np.unique(np.append(window, truth))
            similarities = vectors[window] @ vector
            ranks.append(expected_rank(similarities, int(np.searchsorted(window, truth))))
            gap.append(1 - float(vectors[truth] @ vector))
        found = np.array(ranks)
        hit_1 = float((found < 1.5).mean())
        whole_20 = self.whole_coverage(vectors, embedded[:WHOLE_AT_MOST], 20, device)
        return {
            "val_hit@1": hit_1,
            "val_hit@20": float((found < 20.5).mean()),
            "val_mrr": float((1 / found).mean()),
            "val_whole_hit@20": whole_20,
            # Selects the best state: a gain in one use must not cost the other.
            "val_both": (hit_1 + whole_20) / 2,
            "val_cosine_gap": float(np.mean(gap)),
        }

    def whole_coverage(
        self, vectors: NDArray[np.float32], embedded: NDArray[np.float32], k: int, device: str
    ) -> float:
        """Share of spectra whose molecule is among the k nearest of all (n, D), at any mass."""
        molecules = torch.from_numpy(vectors).to(device)
        truth = torch.from_numpy(self.truth[self.spectra.compound[self.rows[: len(embedded)]]]).to(device)
        found = 0
        for spectra, own in zip(
            torch.split(torch.from_numpy(embedded).to(device), COVERAGE_BATCH),
            torch.split(truth, COVERAGE_BATCH),
            strict=True,
        ):
            similarities = spectra @ molecules.T
            own_similarity = similarities.gather(1, own[:, None])
            tied = (similarities == own_similarity).sum(1)
            rank = (similarities > own_similarity).sum(1) + (tied + 1) / 2
            found += int((rank < k + 0.5).sum())
        return found / max(len(embedded), 1)


def _first_of_each(spectra: SpectrumArrays, per_compound: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of at most `per_compound` spectra of each compound, in random order."""
    drawn: dict[int, int] = {}
    rows: list[int] = []
    for row in rng.permutation(len(spectra)):
        compound = int(spectra.compound[row])
        drawn[compound] = drawn.get(compound, 0) + 1
        if drawn[compound] <= per_compound:
            rows.append(int(row))
    return np.array(rows)
