"""The fingerprint head: bits by cross-entropy, and the molecule picked out among others of like mass.

The second loss matters more than the first: it teaches what tells the molecule from those that a mass window
would hold beside it.
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
    gather,
    ion_numbers,
    masses,
    peak_rows,
)
from models_ml.networks.fingerprint_head import FingerprintHead
from models_ml.training.arrays import MoleculeArrays, SpectrumArrays
from models_ml.training.contrastive import ContrastiveChoices, compound_batches
from models_ml.training.precision import autocast
from models_ml.training.ranking.fit import fit
from models_ml.training.validation import NearMassNegatives

PREDICT_BATCH = 512
MIN_COMPOUNDS = (3, 4)  # bins of each width that fewer training compounds fill teach nothing


@dataclass(frozen=True, slots=True)
class FingerprintChoices:
    batch_size: int = 128
    rate: float = 1e-3
    epochs: int = 24  # an epoch shows one spectrum of each compound
    decoys: int = 31  # 0: bits alone, the plain baseline
    bit_weight: float = 100.0  # brings the mean over mostly empty bits to the size of the other loss
    peak_dropout: float = 0.15
    intensity_noise: float = 0.2


def vocabulary_of(spectra: SpectrumArrays, rows: NDArray[np.int64]) -> BinVocabulary:
    """Bins that enough compounds of the spectra in `rows` fill."""
    peaks, places = peak_rows(spectra.offsets, rows)
    both = masses(spectra.mz[peaks], spectra.precursor_mz[rows][places])
    compound = spectra.compound[rows][places]
    tables: list[NDArray[np.int64]] = []
    for width, least in zip(WIDTHS_DA, MIN_COMPOUNDS, strict=True):
        for mass in both:
            filled = np.unique(np.stack([bin_of(mass, width), compound]), axis=1)[0]
            number, count = np.unique(filled, return_counts=True)
            tables.append(number[(count >= least) & (number > 0)])
    return BinVocabulary(tuple(tables))


class SpectrumTokens:
    """Training spectra with their peaks' tokens, computed once."""

    def __init__(self, spectra: SpectrumArrays, vocabulary: BinVocabulary) -> None:
        self.spectra = spectra
        self.vocabulary = vocabulary
        counts = np.diff(spectra.offsets)
        self.tokens = vocabulary.tokens(spectra.mz, np.repeat(spectra.precursor_mz, counts))
        self.heights = np.sqrt(spectra.intensity)
        self.ions = ion_numbers(
            spectra.precursor_mz, spectra.neutral_mass, spectra.adduct, spectra.energy, spectra.energy_kind
        )

    def batch(
        self,
        rows: NDArray[np.int64],
        choices: FingerprintChoices | None = None,
        rng: np.random.Generator | None = None,
    ) -> BinnedSpectra:
        """Spectra of `rows`; with a generator, peaks are dropped and heights shaken."""
        peaks, _ = peak_rows(self.spectra.offsets, rows)
        heights = self.heights[peaks]
        if choices is not None and rng is not None:
            stays = rng.random(len(peaks)) >= choices.peak_dropout
            noise = 1 + choices.intensity_noise * (2 * rng.random(len(peaks)) - 1)
            heights = heights * stays * noise
        counts = self.spectra.offsets[rows + 1] - self.spectra.offsets[rows]
        return gather(self.tokens[peaks], heights, counts, self.ions[rows])


def train_fingerprint(
    head: FingerprintHead,
    spectra: SpectrumTokens,
    usable: NDArray[np.int64],
    own: NDArray[np.int64],
    library: MoleculeArrays,
    decoys: NearMassNegatives,
    choices: FingerprintChoices,
    rng: np.random.Generator,
) -> None:
    """Train for the chosen epochs, some minutes. `own`: the library row of each compound."""
    arrays = spectra.spectra
    steps = choices.epochs * max(len(np.unique(arrays.compound[usable])) // choices.batch_size, 1)
    in_order = ContrastiveChoices(batch_size=choices.batch_size, mass_sorted_share=0.0)
    batches = compound_batches(arrays.compound, arrays.neutral_mass, in_order, rng, usable)
    fit(
        head,
        lambda: _loss(head, spectra, next(batches), own, library, decoys, choices, rng),
        steps=steps,
        rate=choices.rate,
        weight_decay=0.01,
        clip=5.0,
        name="fingerprint head",
    )


def _loss(
    head: FingerprintHead,
    spectra: SpectrumTokens,
    rows: NDArray[np.int64],
    own: NDArray[np.int64],
    library: MoleculeArrays,
    decoys: NearMassNegatives,
    choices: FingerprintChoices,
    rng: np.random.Generator,
) -> Tensor:
    molecules = own[spectra.spectra.compound[rows]]
    drawn = decoys.draw(library.exact_mass[molecules], molecules, choices.decoys, rng)
    bits = _bits(library.fingerprints[np.concatenate([molecules[:, None], drawn], axis=1)])
    with autocast("cpu"):
        logits = head(spectra.batch(rows, choices, rng))
        scores = torch.bmm(bits, logits.float()[:, :, None])[:, :, 0].float()
    loss = choices.bit_weight * functional.binary_cross_entropy_with_logits(
        logits.float(), bits[:, 0].float()
    )
    if choices.decoys:
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
