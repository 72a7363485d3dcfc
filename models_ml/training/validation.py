"""How well the spectrum encoder retrieves validation molecules by precursor window, while it trains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models_ml.networks.glmr import GlmrNetwork
from models_ml.training.arrays import MoleculeArrays, SpectrumArrays
from models_ml.training.batches import spectrum_batch
from models_ml.training.precision import autocast
from models_ml.training.vectors import MassSorted, molecule_vectors

WINDOW_PPM = 10.0
EMBED_BATCH = 128
WHOLE_AT_MOST = 500  # spectra that are also looked for in the whole library, without a mass window


def embed_spectrum_rows(
    network: GlmrNetwork, spectra: SpectrumArrays, rows: NDArray[np.int64], device: str
) -> NDArray[np.float32]:
    """E^s (len(rows), D) in the order of `rows`."""
    n_peaks = spectra.offsets[rows + 1] - spectra.offsets[rows]
    order = np.argsort(n_peaks, kind="stable")
    vectors = np.zeros((len(rows), network.config.embedding_dim), np.float32)
    network.eval()
    with torch.inference_mode(), autocast(device):
        for start in range(0, len(rows), EMBED_BATCH):
            places = order[start : start + EMBED_BATCH]
            batch = spectrum_batch(spectra, rows[places]).to(device)
            vectors[places] = network.embed_spectra(batch).float().cpu().numpy()
    return vectors


def expected_rank(similarities: NDArray[np.float32], truth: int) -> float:
    """Rank of the truth, 1 is best; among equals the mean place."""
    own = similarities[truth]
    return float((similarities > own).sum() + ((similarities == own).sum() + 1) / 2)


@dataclass(frozen=True, slots=True, eq=False)
class RetrievalCheck:
    """A fixed draw of validation spectra, each with the library molecules of its mass window."""

    spectra: SpectrumArrays
    rows: NDArray[np.int64]
    pooled: NDArray[np.float16]  # of library and validation compounds, what the embedding head reads
    mass_sorted: MassSorted
    truth: NDArray[np.int64]  # row in `vectors` of each validation compound

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
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(spectra))
        seen: dict[int, int] = {}
        rows: list[int] = []
        for row in order:
            compound = int(spectra.compound[row])
            seen[compound] = seen.get(compound, 0) + 1
            if seen[compound] <= per_compound:
                rows.append(int(row))
        # A library that already holds a validation compound must not hold it twice.
        known = set(compounds.smiles)
        other = np.array([smiles not in known for smiles in library.smiles])
        return cls(
            spectra=spectra,
            rows=np.array(rows),
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
            tolerance = self.spectra.precursor_mz[row] * WINDOW_PPM * 1e-6
            window = self.mass_sorted.window(self.spectra.neutral_mass[row], tolerance)
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
            # What the best state is chosen by: neither use may be bought with the other.
            "val_both": (hit_1 + whole_20) / 2,
            "val_cosine_gap": float(np.mean(gap)),
        }

    def whole_coverage(
        self, vectors: NDArray[np.float32], embedded: NDArray[np.float32], k: int, device: str
    ) -> float:
        """Share of spectra whose molecule is among the k nearest of all (n, D), whatever its mass."""
        molecules = torch.from_numpy(vectors).to(device)
        truth = torch.from_numpy(self.truth[self.spectra.compound[self.rows[: len(embedded)]]]).to(device)
        found = 0
        for some, own in zip(
            torch.split(torch.from_numpy(embedded).to(device), EMBED_BATCH),
            torch.split(truth, EMBED_BATCH),
            strict=True,
        ):
            similarities = some @ molecules.T
            mark = similarities.gather(1, own[:, None])
            rank = (similarities > mark).sum(1) + ((similarities == mark).sum(1) + 1) / 2
            found += int((rank < k + 0.5).sum())
        return found / max(len(embedded), 1)


@dataclass(frozen=True, slots=True, eq=False)
class NearMassNegatives:
    """Library molecules of nearly a molecule's mass, never the molecule itself."""

    mass_sorted: MassSorted
    reach: int = 150  # places up and down the library sorted by mass

    def draw(
        self, mass: NDArray[np.float64], own: NDArray[np.int64], number: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Library rows (B, number) for molecules of `mass` (B,) that are themselves the rows `own` (B,)."""
        middle = np.searchsorted(self.mass_sorted.mass, mass)
        last = len(self.mass_sorted.order) - 1
        places = (middle[:, None] + rng.integers(-self.reach, self.reach, (len(mass), number))).clip(0, last)
        drawn = self.mass_sorted.order[places]
        # The molecule itself would be a false negative: its neighbour takes its place.
        beside = np.where(places == last, places - 1, places + 1)
        return np.where(drawn == own[:, None], self.mass_sorted.order[beside], drawn)
