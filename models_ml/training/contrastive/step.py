"""One optimiser step of the contrastive stage: encode spectra, molecules and negatives, add both losses."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models_ml.networks.spectrum import SpectrumBatch
from models_ml.training.augmentation import augment, perturb
from models_ml.training.batches import spectrum_batch
from models_ml.training.contrastive.data import ContrastiveData
from models_ml.training.contrastive.hard_negatives import HardNegatives
from models_ml.training.contrastive.losses import Temperature, mol2ms_loss, ms2mol_loss
from models_ml.training.run import StageRun
from models_ml.training.settings import ContrastiveSettings
from models_ml.training.vectors import table_rows

MIN_PERTURBED_PEAKS = 3  # with fewer peaks, intensities hold almost no information
# Spectra that a processor encodes together: sorted by peaks, so that short ones are not padded. A GPU waits
# for its next command rather than for padding, and takes the whole batch.
CHUNK_ROWS = 64


class ContrastiveStep:
    def __init__(
        self,
        run: StageRun,
        settings: ContrastiveSettings,
        temperature: Temperature,
        data: ContrastiveData,
        rng: np.random.Generator,
    ) -> None:
        self.run, self.settings, self.temperature, self.data, self.rng = run, settings, temperature, data, rng
        self.hard = HardNegatives(data, settings)
        self.project = run.network.molecule_encoder.project

    def learn(self, rows: NDArray[np.int64]) -> None:
        """One step on the spectra in `rows`."""
        self.hard.refresh(self.run)
        rows = self._by_peaks(rows)
        compound = self.data.spectra.compound[rows]
        own = self.data.own[compound]
        with self.run.autocast():
            molecules = self.project(table_rows(self.data.pooled, compound))
            negatives = self._mass_negatives(rows, own)
            embedded, pairs = self._encode(rows, molecules)
        negatives = self._with_hard_negatives(negatives, embedded, own)
        scale = self.temperature()
        shared, is_own = self._library_negatives(own)
        ms2mol = ms2mol_loss(embedded, molecules, scale, negatives, shared, is_own)
        mol2ms = torch.zeros((), device=self.run.device)
        if pairs:
            perturbed_molecules, originals, perturbed = (
                torch.cat(parts) for parts in zip(*pairs, strict=True)
            )
            mol2ms = mol2ms_loss(perturbed_molecules, originals, perturbed, scale)
        self.run.learn(ms2mol + mol2ms, ms2mol=ms2mol, mol2ms=mol2ms, scale=scale)

    def _by_peaks(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """`rows` sorted by number of peaks."""
        offsets = self.data.spectra.offsets
        return rows[np.argsort(offsets[rows + 1] - offsets[rows], kind="stable")]

    def _encode(
        self, rows: NDArray[np.int64], molecules: Tensor
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor, Tensor]]]:
        """E^s (B, D), and (E^m, E^s, perturbed E^s) of the rows that face their perturbed copy."""
        network, device = self.run.network, self.run.device
        embedded: list[Tensor] = []
        pairs: list[tuple[Tensor, Tensor, Tensor]] = []
        size = CHUNK_ROWS if device == "cpu" else len(rows)
        for start in range(0, len(rows), size):
            chunk = rows[start : start + size]
            batch = augment(spectrum_batch(self.data.spectra, chunk).to(device), self.settings)
            embedded.append(network.embed_spectra(batch))
            chosen = (torch.rand(len(chunk), device=device) < self.settings.perturbed_share) & (
                batch.keep.sum(1) >= MIN_PERTURBED_PEAKS
            )
            if chosen.any() and not network.config.spectrum_blind:
                perturbed = network.embed_spectra(perturb(_select(batch, chosen)))
                pairs.append((molecules[start : start + len(chunk)][chosen], embedded[-1][chosen], perturbed))
        return torch.cat(embedded), pairs

    def _mass_negatives(self, rows: NDArray[np.int64], own: NDArray[np.int64]) -> Tensor | None:
        """Molecules of similar mass for each spectrum, (B, M, D)."""
        if self.data.near_mass is None:
            return None
        mass = self.data.spectra.neutral_mass[rows]
        drawn = self.data.near_mass.draw(mass, own, self.settings.n_mass_negatives, self.rng)
        return self.project(table_rows(self.data.library_pooled, drawn))

    def _with_hard_negatives(
        self, negatives: Tensor | None, embedded: Tensor, own: NDArray[np.int64]
    ) -> Tensor | None:
        if not self.settings.hard_negatives:
            return negatives
        nearest = table_rows(self.data.library_pooled, self.hard.nearest(embedded.detach(), own))
        with self.run.autocast():
            hard = self.project(nearest)
        return hard if negatives is None else torch.cat([negatives, hard], dim=1)

    def _library_negatives(self, own: NDArray[np.int64]) -> tuple[Tensor | None, Tensor | None]:
        """Molecules (N, D) from the library, and which of them are a spectrum's own (B, N)."""
        if not self.settings.library_negatives:
            return None, None
        drawn = self.rng.choice(self.data.negatives, self.settings.library_negatives)
        is_own = torch.from_numpy(drawn[None, :] == own[:, None]).to(self.run.device)
        return self.project(table_rows(self.data.library_pooled, drawn)), is_own


def _select(batch: SpectrumBatch, rows: Tensor) -> SpectrumBatch:
    return SpectrumBatch(
        batch.mz[rows],
        batch.intensity[rows],
        batch.keep[rows],
        batch.precursor_mz[rows],
        batch.adduct[rows],
        batch.energy[rows],
        batch.energy_kind[rows],
    )
