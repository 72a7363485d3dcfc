"""Stage 3: fusion and decoder learn to write the molecule from the spectrum and its retrieved candidates.

Both encoders are frozen. The truth is never forced among the candidates, and taken out of a share of
rows, so that the decoder learns to refine and not to copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from models_ml.networks.glmr import GlmrNetwork
from models_ml.networks.spectrum import SpectrumBatch
from models_ml.tensors import pad_tokens
from models_ml.tokenizer import PAD
from models_ml.training.arrays import MoleculeArrays, SpectrumArrays
from models_ml.training.batches import length_bucketed, spectrum_batch
from models_ml.training.contrastive import ContrastiveChoices, augment
from models_ml.training.run import BestState, StageRun
from models_ml.training.validation import WINDOW_PPM, embed_spectrum_rows
from models_ml.training.vectors import MassSorted

NO_CANDIDATE = -1


@dataclass(frozen=True, slots=True, eq=False)
class CandidateSet:
    """The top K of the library for each of some spectra, by the stage-2 model inside the mass window."""

    rows: NDArray[np.int64]  # spectra, (n,)
    candidates: NDArray[np.int64]  # library rows, (n, K), NO_CANDIDATE where the window held fewer
    own: NDArray[np.int64]  # library row of each spectrum's own molecule, NO_CANDIDATE if it is not there


@dataclass(frozen=True, slots=True)
class GenerativeChoices:
    batch_size: int = 64
    n_candidates: int = 40
    drop_truth: float = 0.3


def retrieve_candidates(
    network: GlmrNetwork,
    spectra: SpectrumArrays,
    rows: NDArray[np.int64],
    own: NDArray[np.int64],
    library_vectors: NDArray[np.float32],
    mass_sorted: MassSorted,
    k: int,
    device: str,
) -> CandidateSet:
    """Candidates for `rows`. `own` holds each compound's library row.

    The stage-2 model has seen the training spectra, so their truths rank better here than those of new
    spectra would; most windows hold fewer than K molecules, which bounds what that can leak.
    """
    embedded = embed_spectrum_rows(network, spectra, rows, device)
    candidates = np.full((len(rows), k), NO_CANDIDATE, np.int64)
    for place, row in enumerate(tqdm(rows, "candidates")):
        tolerance = spectra.precursor_mz[row] * WINDOW_PPM * 1e-6
        window = mass_sorted.window(spectra.neutral_mass[row], tolerance)
        similarities = library_vectors[window] @ embedded[place]
        best = window[np.argsort(-similarities, kind="stable")[:k]]
        candidates[place, : len(best)] = best
    return CandidateSet(rows, candidates, own[spectra.compound[rows]])


def spectra_per_compound(
    spectra: SpectrumArrays, at_most: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Rows of at most so many spectra of each compound, drawn at random."""
    order = rng.permutation(len(spectra))
    order = order[np.argsort(spectra.compound[order], kind="stable")]
    compound = spectra.compound[order]
    first = np.searchsorted(compound, compound, "left")
    return order[np.arange(len(order)) - first < at_most]


def generative_loss(
    network: GlmrNetwork, batch: SpectrumBatch, candidates: Tensor, candidate_keep: Tensor, target: Tensor
) -> Tensor:
    """Token NLL of `target` (B, T) given spectra and candidates (B, K, D)."""
    with torch.no_grad():
        features, keep = network.spectrum_encoder(batch)
    memory, memory_keep = network.fusion(features, keep, candidates, candidate_keep)
    logits, _ = network.decoder(target[:, :-1], network.decoder.start(memory, memory_keep))
    return functional.cross_entropy(logits.flatten(0, 1).float(), target[:, 1:].flatten(), ignore_index=PAD)


class GenerativeData:
    """Batches of the rows of one candidate set."""

    def __init__(
        self,
        spectra: SpectrumArrays,
        compounds: MoleculeArrays,
        candidate_set: CandidateSet,
        library_vectors: NDArray[np.float32],
        device: str,
    ) -> None:
        self.spectra = spectra
        self.compounds = compounds
        self.set = candidate_set
        self.vectors = library_vectors
        self.device = device

    def batch(
        self, places: NDArray[np.int64], drop_truth: NDArray[np.bool_]
    ) -> tuple[SpectrumBatch, Tensor, Tensor, Tensor]:
        """Spectra, candidate vectors, their keep mask, target tokens."""
        rows = self.set.rows[places]
        candidates = self.set.candidates[places]
        dropped = (candidates == self.set.own[places][:, None]) & drop_truth[:, None]
        keep = (candidates != NO_CANDIDATE) & ~dropped
        vectors = self.vectors[np.where(keep, candidates, 0)]
        target = pad_tokens([self.compounds.spelling(int(c), 0) for c in self.spectra.compound[rows]])
        return (
            spectrum_batch(self.spectra, rows).to(self.device),
            torch.from_numpy(vectors).to(self.device),
            torch.from_numpy(keep).to(self.device),
            target.to(self.device),
        )

    def places(self, batch_size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """Endless batches whose targets are of similar length."""
        lengths = self.compounds.lengths()[self.spectra.compound[self.set.rows], 0]
        while True:
            yield from length_bucketed(lengths, batch_size, rng)

    def __len__(self) -> int:
        return len(self.set.rows)


def train_generative(
    run: StageRun,
    data: GenerativeData,
    validation: GenerativeData,
    choices: GenerativeChoices,
    rng: np.random.Generator,
) -> None:
    """Train until the budget is spent; the state with the lowest validation NLL is kept."""
    best = BestState(run, [run.network.fusion, run.network.decoder], "val_token_nll", highest=False)
    _train_mode(run.network)
    run.pause()
    for places in data.places(choices.batch_size, rng):
        if run.check_due():
            best.offer({"val_token_nll": validation_nll(run, validation)})
            _train_mode(run.network)
            run.pause()
        if run.done:
            break
        drop = rng.random(len(places)) < choices.drop_truth
        batch, vectors, keep, target = data.batch(places, drop)
        with run.autocast():
            loss = generative_loss(run.network, augment(batch, ContrastiveChoices()), vectors, keep, target)
        run.learn(loss, token_nll=loss)
    best.restore()
    run.save(finished=True)


def validation_nll(run: StageRun, data: GenerativeData) -> float:
    """Mean token NLL on the validation spectra, with the candidates that retrieval gives."""
    run.network.eval()
    total, n = 0.0, 0
    with torch.inference_mode(), run.autocast():
        for start in range(0, len(data), 64):
            places = np.arange(start, min(start + 64, len(data)))
            batch, vectors, keep, target = data.batch(places, np.zeros(len(places), bool))
            total += float(generative_loss(run.network, batch, vectors, keep, target)) * len(places)
            n += len(places)
    return total / n


def _train_mode(network: GlmrNetwork) -> None:
    network.eval()
    network.fusion.train()
    network.decoder.train()
