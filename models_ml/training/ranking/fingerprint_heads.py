"""Trains the fingerprint heads: bits by cross-entropy, and the molecule among others of similar mass.

The second loss matters more: it teaches what separates the molecule from the others in its mass window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models_ml.evidence.peak_bins import (
    WIDTHS_DA,
    BinnedSpectra,
    BinVocabulary,
    bin_of,
    ion_numbers,
    masses,
    pack_spectra,
    peak_rows,
)
from models_ml.networks.fingerprint_head import FingerprintHead, FingerprintHeadConfig
from models_ml.training.arrays import SpectrumArrays
from models_ml.training.batches import compound_batches
from models_ml.training.mass_windows import MassSorted, NearMassNegatives
from models_ml.training.precision import autocast
from models_ml.training.ranking.data import TrainingData
from models_ml.training.ranking.fit import fit
from models_ml.training.settings import FingerprintHeadSettings

PREDICT_BATCH = 512
MIN_COMPOUNDS = (3, 4)  # for each width: a bin that fewer training compounds fill teaches nothing


def vocabulary_of(spectra: SpectrumArrays, rows: NDArray[np.int64]) -> BinVocabulary:
    """Bins that enough compounds of the spectra in `rows` fill."""
    peaks, spectrum = peak_rows(spectra.offsets, rows)
    both = masses(spectra.mz[peaks], spectra.precursor_mz[rows][spectrum])
    compound = spectra.compound[rows][spectrum]
    tables: list[NDArray[np.int64]] = []
    for width, min_compounds in zip(WIDTHS_DA, MIN_COMPOUNDS, strict=True):
        for mass in both:
            filled = np.unique(np.stack([bin_of(mass, width), compound]), axis=1)[0]
            number, count = np.unique(filled, return_counts=True)
            tables.append(number[(count >= min_compounds) & (number > 0)])
    return BinVocabulary(tuple(tables))


class SpectrumTokens:
    """Training spectra with the tokens of their peaks, computed once."""

    def __init__(self, spectra: SpectrumArrays, vocabulary: BinVocabulary) -> None:
        self.spectra = spectra
        self.vocabulary = vocabulary
        counts = np.diff(spectra.offsets)
        self.tokens = vocabulary.tokens(spectra.mz, np.repeat(spectra.precursor_mz, counts))
        self.heights = np.sqrt(spectra.intensity)
        self.ions = ion_numbers(
            spectra.precursor_mz, spectra.neutral_mass, spectra.adduct, spectra.energy, spectra.energy_kind
        )

    def batch(self, rows: NDArray[np.int64]) -> BinnedSpectra:
        peaks, _ = peak_rows(self.spectra.offsets, rows)
        return self._pack(rows, peaks, self.heights[peaks])

    def noisy_batch(
        self, rows: NDArray[np.int64], settings: FingerprintHeadSettings, rng: np.random.Generator
    ) -> BinnedSpectra:
        """The spectra with peaks dropped and intensities scaled at random."""
        peaks, _ = peak_rows(self.spectra.offsets, rows)
        stays = rng.random(len(peaks)) >= settings.peak_dropout
        noise = 1 + settings.intensity_noise * (2 * rng.random(len(peaks)) - 1)
        return self._pack(rows, peaks, self.heights[peaks] * stays * noise)

    def _pack(
        self, rows: NDArray[np.int64], peaks: NDArray[np.int64], heights: NDArray[np.floating]
    ) -> BinnedSpectra:
        counts = self.spectra.offsets[rows + 1] - self.spectra.offsets[rows]
        return pack_spectra(self.tokens[peaks], heights, counts, self.ions[rows])


@dataclass(frozen=True, slots=True, eq=False)
class HeadTrainer:
    """Trains heads on the spectra in `shown`. Compounds that are held out are not even decoys."""

    data: TrainingData
    tokens: SpectrumTokens
    shown: NDArray[np.int64]
    decoys: NearMassNegatives
    settings: FingerprintHeadSettings

    @classmethod
    def build(
        cls,
        data: TrainingData,
        tokens: SpectrumTokens,
        shown: NDArray[np.int64],
        hold_out: int,
        settings: FingerprintHeadSettings,
    ) -> HeadTrainer:
        held_out = data.own[data.folds == hold_out]
        decoys = NearMassNegatives(MassSorted.of(data.library.exact_mass, without=held_out))
        return cls(data, tokens, shown, decoys, settings)

    def train(
        self, n_heads: int, seed: int, rng: np.random.Generator, *, blind: bool
    ) -> list[FingerprintHead]:
        heads: list[FingerprintHead] = []
        for number in range(n_heads):
            torch.manual_seed(seed + 1 + number)
            head = FingerprintHead(FingerprintHeadConfig(len(self.tokens.vocabulary), blind=blind))
            self._train_head(head, self.settings.blind_epochs if blind else self.settings.epochs, rng)
            heads.append(head)
        return heads

    def _train_head(self, head: FingerprintHead, epochs: int, rng: np.random.Generator) -> None:
        spectra = self.data.spectra
        n_compounds = len(np.unique(spectra.compound[self.shown]))
        batches = compound_batches(spectra, self.shown, self.settings.batch_size, rng)
        fit(
            head,
            lambda: self._loss(head, next(batches), rng),
            steps=epochs * max(n_compounds // self.settings.batch_size, 1),
            rate=self.settings.rate,
            weight_decay=0.01,
            clip=5.0,
            name="fingerprint head",
        )

    def _loss(self, head: FingerprintHead, rows: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        library = self.data.library
        molecules = self.data.own[self.data.spectra.compound[rows]]
        drawn = self.decoys.draw(library.exact_mass[molecules], molecules, self.settings.decoys, rng)
        bits = _bits(library.fingerprints[np.concatenate([molecules[:, None], drawn], axis=1)])
        with autocast("cpu"):
            logits = head(self.tokens.noisy_batch(rows, self.settings, rng))
            scores = torch.bmm(bits, logits.float()[:, :, None])[:, :, 0].float()
        bit_loss = functional.binary_cross_entropy_with_logits(logits.float(), bits[:, 0].float())
        loss = self.settings.bit_weight * bit_loss
        if self.settings.decoys:
            loss = loss + functional.cross_entropy(scores, torch.zeros(len(rows), dtype=torch.long))
        return loss


def predict_bits(
    head: FingerprintHead, spectra: SpectrumTokens, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Log odds (len(rows), 2048)."""
    head.eval()
    parts = [np.zeros((0, 2048), np.float32)]
    with torch.inference_mode():
        for start in range(0, len(rows), PREDICT_BATCH):
            parts.append(head(spectra.batch(rows[start : start + PREDICT_BATCH])).float().cpu().numpy())
    return np.concatenate(parts)


def _bits(packed: NDArray[np.uint8]) -> Tensor:
    """Packed fingerprints (..., 256) as zeros and ones (..., 2048)."""
    return torch.from_numpy(np.unpackbits(packed, axis=-1)).float()
