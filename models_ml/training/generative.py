"""Stage 3: fusion and decoder learn to write the molecule from the spectrum and its retrieved candidates.

Both encoders are frozen. The truth is never forced among the candidates, and taken out of a share of
rows, so that the decoder learns to refine and not to copy. An encoder knows the spectra that it learnt
from by heart, and retrieves their truths twice as often as those of new ones. So, cross-fitted, each is read
by an encoder that never saw its compound: those of the other folds' contrastive stages, all from the same
pre-training. Of simulated spectra a share is kept from that stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from models_ml.networks.context import NO_CANDIDATE, Candidates, PackedTokens, ReadTokens
from models_ml.networks.glmr import GlmrNetwork
from models_ml.networks.spectrum import SpectrumBatch, SpectrumEncoder
from models_ml.tensors import pad_tokens
from models_ml.tokenizer import PAD
from models_ml.training.arrays import MoleculeArrays, SpectrumArrays
from models_ml.training.batches import length_bucketed, spectrum_batch
from models_ml.training.contrastive import ContrastiveChoices, augment
from models_ml.training.run import BestState, StageRun
from models_ml.training.validation import WINDOW_PPM, embed_spectrum_rows
from models_ml.training.vectors import MassSorted

UNREAD = -1
READ_BATCH = 256


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
    context_molecules: int = 0  # candidates that are read token by token; the paper has none
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
    """Candidates for `rows`. `own` holds each compound's library row."""
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


def generative_loss(network: GlmrNetwork, shown: Shown) -> Tensor:
    """Token NLL of the targets given spectra and candidates."""
    with torch.no_grad():
        features, keep = shown.encoder(shown.spectra)
        spectrum = shown.encoder.embed(features, keep)
        # A product of matrices would be rounded to bfloat16, which tells near candidates no longer apart.
        similarity = (spectrum[:, None] * shown.embeddings).sum(-1)
    candidates = Candidates(shown.embeddings, shown.keep, similarity, shown.read)
    memory = network.memory(features, keep, candidates)
    target = shown.target
    logits, _ = network.decoder(target[:, :-1], network.decoder.start(memory))
    return functional.cross_entropy(logits.flatten(0, 1).float(), target[:, 1:].flatten(), ignore_index=PAD)


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A batch: B spectra with K candidates each, and the strings to write."""

    encoder: SpectrumEncoder  # one that may read these spectra
    spectra: SpectrumBatch
    embeddings: Tensor  # (B, K, E)
    keep: Tensor  # (B, K)
    read: ReadTokens
    target: Tensor  # (B, T)


class TokenReader:
    """Token features of library molecules by the frozen encoder; what was read once is kept, 20 kB each."""

    def __init__(self, network: GlmrNetwork, library: MoleculeArrays, device: str) -> None:
        self.network, self.library, self.device = network, library, device
        self.length = library.lengths()[:, 0].clip(max=network.config.max_tokens)
        self.start = np.full(len(library), UNREAD)  # of each molecule in the store
        self.filled = 0
        self.store = torch.empty(0, network.config.d_molecule, dtype=torch.float16, device=device)

    def read(self, molecules: NDArray[np.int64]) -> PackedTokens:
        """`molecules` (B, M): library rows, NO_CANDIDATE where there is none."""
        there = molecules != NO_CANDIDATE
        self._take_in(np.unique(molecules[there]))
        length = np.where(there, self.length[molecules], 0)
        end = length.cumsum(1)
        position = np.arange(end[:, -1].max(initial=0))
        which = (position[None, :, None] >= end[:, None, :]).sum(2).clip(max=molecules.shape[1] - 1)
        keep = position < end[:, -1:]
        first = self.start[molecules] - (end - length)
        place = np.where(keep, np.take_along_axis(first, which, 1) + position, 0)
        tokens = self.store[torch.from_numpy(place).to(self.device)]
        on_device = [torch.from_numpy(part).to(self.device) for part in (which, keep)]
        return PackedTokens(tokens, *on_device)

    def _take_in(self, molecules: NDArray[np.int64]) -> None:
        """Read those that were not read before, short ones first, for little padding."""
        new = molecules[self.start[molecules] == UNREAD]
        if not len(new):
            return
        new = new[np.argsort(self.length[new], kind="stable")]
        needed = self.filled + int(self.length[new].sum())
        if needed > len(self.store):
            larger = self.store.new_zeros(max(needed, 2 * len(self.store)), self.store.shape[1])
            larger[: self.filled] = self.store[: self.filled]
            self.store = larger
        for begin in range(0, len(new), READ_BATCH):
            some = new[begin : begin + READ_BATCH]
            tokens = pad_tokens(
                [self.library.spelling(one, 0)[: self.length[one]] for one in some.tolist()]
            ).to(self.device)
            with torch.no_grad():
                read = self.network.molecule_encoder(tokens)[tokens != PAD].half()
            self.start[some] = self.filled + np.append(0, self.length[some].cumsum()[:-1])
            self.store[self.filled : self.filled + len(read)] = read
            self.filled += len(read)


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

    def batch(self, places: NDArray[np.int64], drop_truth: NDArray[np.bool_]) -> Shown:
        rows = self.set.rows[places]
        candidates = self.set.candidates[places]
        dropped = (candidates == self.set.own[places][:, None]) & drop_truth[:, None]
        keep = (candidates != NO_CANDIDATE) & ~dropped
        vectors = self.vectors[np.where(keep, candidates, 0)]
        target = pad_tokens([self.compounds.spelling(int(c), 0) for c in self.spectra.compound[rows]])

        def read(columns: Tensor) -> PackedTokens:
            asked = columns.cpu().numpy()
            chosen = np.take_along_axis(candidates, asked.clip(min=0), 1)
            return self.reader.read(np.where(asked == NO_CANDIDATE, NO_CANDIDATE, chosen))

        return Shown(
            self.encoder,
            spectrum_batch(self.spectra, rows).to(self.device),
            torch.from_numpy(vectors).to(self.device),
            torch.from_numpy(keep).to(self.device),
            read,
            target.to(self.device),
        )

    def places(self, batch_size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """Endless batches whose targets are of similar length."""
        lengths = self.compounds.lengths()[self.spectra.compound[self.set.rows], 0]
        while True:
            yield from length_bucketed(lengths, batch_size, rng)

    def __len__(self) -> int:
        return len(self.set.rows)


def batches_of_parts(
    parts: Sequence[GenerativeData], batch_size: int, rng: np.random.Generator
) -> Iterator[tuple[GenerativeData, NDArray[np.int64]]]:
    """Endless batches, each of one part, as often as the part is large."""
    sizes = np.array([len(part) for part in parts])
    places = [part.places(batch_size, rng) for part in parts]
    while True:
        chosen = int(rng.choice(len(parts), p=sizes / sizes.sum()))
        yield parts[chosen], next(places[chosen])


def train_generative(
    run: StageRun,
    parts: Sequence[GenerativeData],
    validation: GenerativeData,
    choices: GenerativeChoices,
    rng: np.random.Generator,
) -> None:
    """Train until the budget is spent; the state with the lowest validation NLL is kept."""
    best = BestState(run, list(run.trained.values()), "val_token_nll", highest=False)
    _train_mode(run.network)
    run.pause()
    for part, places in batches_of_parts(parts, choices.batch_size, rng):
        if run.check_due():
            best.offer({"val_token_nll": validation_nll(run, validation)})
            _train_mode(run.network)
            run.pause()
        if run.done:
            break
        drop = rng.random(len(places)) < choices.drop_truth
        shown = part.batch(places, drop)
        shown = replace(shown, spectra=augment(shown.spectra, ContrastiveChoices()))
        with run.autocast():
            loss = generative_loss(run.network, shown)
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
            shown = data.batch(places, np.zeros(len(places), bool))
            total += float(generative_loss(run.network, shown)) * len(places)
            n += len(places)
    return total / n


def _train_mode(network: GlmrNetwork) -> None:
    network.eval()
    network.fusion.train()
    network.decoder.train()
