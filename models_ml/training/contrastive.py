"""Stage 2: the spectrum encoder learns to land beside the frozen molecule encoder's vector of its molecule.

Dual-path InfoNCE. ms2mol: a spectrum against the molecules of its batch. mol2ms: a molecule against
its own spectrum and copies of that spectrum with random intensities.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models_ml.networks.glmr import GlmrNetwork
from models_ml.networks.spectrum import SpectrumBatch
from models_ml.training.arrays import SpectrumArrays
from models_ml.training.batches import spectrum_batch
from models_ml.training.monitors import contrastive_signs
from models_ml.training.run import BestState, StageRun
from models_ml.training.validation import NearMassNegatives, RetrievalCheck
from models_ml.training.vectors import project_all

MIN_PERTURBED_PEAKS = 3  # of fewer, the intensities say next to nothing
# Spectra that a processor encodes together: sorted by peaks, so that short ones are not padded. A GPU waits
# for its next command rather than for padding, and takes the whole batch.
CHUNK_ROWS = 64


@dataclass(frozen=True, slots=True)
class ContrastiveChoices:
    """What the paper leaves open, and what goes beyond it."""

    batch_size: int = 96  # many small steps beat few large ones on two cores; a GPU takes 512
    perturbed_share: float = 0.25  # share of rows that also face their perturbed copy, for compute
    mass_sorted_share: float = 0.5  # share of epochs whose batches hold molecules of similar mass
    mass_spread_da: float = 15.0  # how loosely such batches are sorted
    n_mass_negatives: int = 32  # only with `NearMassNegatives`, which the paper has not
    # Library molecules of any mass that all spectra of a batch face besides. Without them the model learns
    # to tell measured compounds apart only, and finds little in a whole library. The paper has none.
    n_library_negatives: int = 0
    # Molecules a spectrum that the model itself puts nearest to it in the whole library. The paper has none.
    n_hard_negatives: int = 0
    hard_every_steps: int = 50  # between two looks at the library with the present weights
    # Simulated spectra of library molecules in a batch, beside the measured ones. The paper has none.
    n_simulated: int = 0
    peak_dropout: float = 0.15
    mz_jitter_ppm: float = 5.0
    intensity_noise: float = 0.2


class Temperature(nn.Module):
    """Learnt inverse temperature, from 1/0.07, at most 100."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self) -> Tensor:
        return self.log_scale.clamp(max=math.log(100.0)).exp()


def compound_batches(
    compound: NDArray[np.int64],
    mass: NDArray[np.float64],
    choices: ContrastiveChoices,
    rng: np.random.Generator,
    usable: NDArray[np.int64],
) -> Iterator[NDArray[np.int64]]:
    """Endless batches of `usable` spectrum rows, one of each compound an epoch: no false negatives."""
    by_compound = usable[np.argsort(compound[usable], kind="stable")]
    _, first, count = np.unique(compound[by_compound], return_index=True, return_counts=True)
    while True:
        rows = by_compound[first + rng.integers(0, count)]
        spread = choices.mass_spread_da if rng.random() < choices.mass_sorted_share else 1e6
        order = np.argsort(mass[rows] + rng.normal(0, spread, len(rows)))
        size = min(choices.batch_size, len(rows))
        starts = range(0, len(rows) - size + 1, size)
        for start in rng.permutation(np.array(starts)):
            yield rows[order[start : start + size]]


def augment(batch: SpectrumBatch, choices: ContrastiveChoices) -> SpectrumBatch:
    """Drop peaks, shift m/z a little, scale intensities; at least the base peak stays."""
    noise = torch.randn_like(batch.mz)
    mz = batch.mz * (1 + noise * choices.mz_jitter_ppm * 1e-6)
    scale = 1 + choices.intensity_noise * (2 * torch.rand_like(batch.mz) - 1)
    intensity = (batch.intensity * scale).clamp(max=1.0)
    stays = (torch.rand_like(batch.mz) >= choices.peak_dropout) | (batch.intensity >= 1.0)
    return replace_peaks(batch, mz=mz, intensity=intensity, keep=batch.keep & stays)


def perturb(batch: SpectrumBatch) -> SpectrumBatch:
    """The same peaks with random intensities: the negative of the mol2ms path."""
    heights = torch.rand_like(batch.intensity).clamp(min=1e-3) * batch.keep
    return replace_peaks(batch, intensity=heights / heights.amax(1, keepdim=True).clamp(min=1e-3))


def replace_peaks(batch: SpectrumBatch, **changes: Tensor) -> SpectrumBatch:
    return replace(batch, **changes)


def ms2mol_loss(
    spectra: Tensor,
    molecules: Tensor,
    scale: Tensor,
    extra: Tensor | None = None,
    shared: Tensor | None = None,
    is_own: Tensor | None = None,
) -> Tensor:
    """Spectra (B, D) against molecules (B, D) of the batch, own extra negatives (B, M, D), shared (N, D).

    `is_own` (B, N): which of the shared ones are a spectrum's own molecule and so no negative.
    """
    logits = scale * spectra @ molecules.T
    if extra is not None:
        logits = torch.cat([logits, scale * torch.einsum("bd,bmd->bm", spectra, extra)], dim=1)
    if shared is not None and is_own is not None:
        far = (scale * spectra @ shared.T).masked_fill(is_own, -torch.inf)
        logits = torch.cat([logits, far], dim=1)
    return functional.cross_entropy(logits, torch.arange(len(spectra), device=spectra.device))


def mol2ms_loss(molecules: Tensor, spectra: Tensor, perturbed: Tensor, scale: Tensor) -> Tensor:
    """Molecules (B, D) against their own spectra (B, D) and those perturbed (B, D)."""
    right = (molecules * spectra).sum(1)
    wrong = (molecules * perturbed).sum(1)
    return functional.softplus(scale * (wrong - right)).mean()


@dataclass(frozen=True, slots=True, eq=False)
class ContrastiveData:
    """Training spectra, simulated ones behind them, and what the embedding head reads of their molecules
    and of the library's."""

    spectra: SpectrumArrays
    usable: NDArray[np.int64]  # measured spectrum rows to learn from
    simulated: NDArray[np.int64]  # simulated spectrum rows
    pooled: Tensor  # (compounds, 2 Dm) float16, on the device
    library_pooled: Tensor  # (library, 2 Dm) float16, on the device
    own: NDArray[np.int64]  # library row of each compound, -1 if it is not there
    may_be_shown: NDArray[np.int64]  # library rows that are no held-out compound
    near_mass: NearMassNegatives | None  # the paper has none


def train_contrastive(
    run: StageRun,
    temperature: Temperature,
    data: ContrastiveData,
    choices: ContrastiveChoices,
    check: RetrievalCheck,
    rng: np.random.Generator,
) -> None:
    """Train until the budget is spent; the state that does best on validation spectra is kept."""
    head = run.network.molecule_encoder.head
    best = BestState(run, [run.network.spectrum_encoder, head], "val_both", highest=True)
    checks: list[dict[str, float]] = []
    hard = HardNegatives(data, choices)
    spectra = data.spectra
    measured = compound_batches(spectra.compound, spectra.neutral_mass, choices, rng, data.usable)
    simulated = simulated_batches(data, choices, rng)
    run.network.train()
    run.pause()
    for rows in measured:
        if run.check_due():
            checks.append(check.measure(run.network, run.device))
            best.offer(checks[-1])
            run.warn(contrastive_signs(checks, run.spent))
            run.network.train()
            run.pause()
        if run.done:
            break
        hard.look_again(run)
        _learn(run, temperature, data, np.append(rows, next(simulated)), choices, rng, hard)
    best.restore()
    run.save(finished=True)


def _learn(
    run: StageRun,
    temperature: Temperature,
    data: ContrastiveData,
    rows: NDArray[np.int64],
    choices: ContrastiveChoices,
    rng: np.random.Generator,
    hard: HardNegatives,
) -> None:
    """One step on the spectra in `rows`."""
    spectra = data.spectra
    project = run.network.molecule_encoder.project
    n_peaks = spectra.offsets[rows + 1] - spectra.offsets[rows]
    order = np.argsort(n_peaks, kind="stable")
    rows = rows[order]
    compound = spectra.compound[rows]
    own: list[Tensor] = []
    pairs: list[tuple[Tensor, Tensor, Tensor]] = []
    with run.autocast():
        molecules = project(_rows(data.pooled, compound))
        negatives = None
        if data.near_mass is not None:
            drawn = data.near_mass.draw(
                spectra.neutral_mass[rows], data.own[compound], choices.n_mass_negatives, rng
            )
            negatives = project(_rows(data.library_pooled, drawn))
        together = CHUNK_ROWS if run.device == "cpu" else len(rows)
        for start in range(0, len(rows), together):
            chunk = rows[start : start + together]
            batch = augment(spectrum_batch(spectra, chunk).to(run.device), choices)
            own.append(run.network.embed_spectra(batch))
            faces = (torch.rand(len(chunk), device=run.device) < choices.perturbed_share) & (
                batch.keep.sum(1) >= MIN_PERTURBED_PEAKS
            )
            if faces.any() and not run.network.config.spectrum_blind:
                perturbed = run.network.embed_spectra(perturb(_select(batch, faces)))
                pairs.append((molecules[start : start + len(chunk)][faces], own[-1][faces], perturbed))
    embedded = torch.cat(own)
    if choices.n_hard_negatives:
        nearest = _rows(data.library_pooled, hard.nearest(embedded.detach(), data.own[compound]))
        with run.autocast():
            found = project(nearest)
        negatives = found if negatives is None else torch.cat([negatives, found], dim=1)
    scale = temperature()
    shared, is_own = _library_negatives(run, data, data.own[compound], choices, rng)
    ms2mol = ms2mol_loss(embedded, molecules, scale, negatives, shared, is_own)
    mol2ms = torch.zeros((), device=run.device)
    if pairs:
        faced, right, wrong = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        mol2ms = mol2ms_loss(faced, right, wrong, scale)
    run.learn(ms2mol + mol2ms, ms2mol=ms2mol, mol2ms=mol2ms, scale=scale)


def simulated_batches(
    data: ContrastiveData, choices: ContrastiveChoices, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Endless batches of simulated spectrum rows; empty ones if there are none."""
    batches = replace(choices, batch_size=choices.n_simulated)
    if not choices.n_simulated or not len(data.simulated):
        return itertools.repeat(np.zeros(0, np.int64))
    return compound_batches(data.spectra.compound, data.spectra.neutral_mass, batches, rng, data.simulated)


class HardNegatives:
    """What the model confuses with a spectrum's molecule in the whole library, as it saw it a while ago."""

    def __init__(self, data: ContrastiveData, choices: ContrastiveChoices) -> None:
        self.data = data
        self.number = choices.n_hard_negatives
        self.every = choices.hard_every_steps
        self.vectors = torch.zeros(0)
        self._next = 0

    def look_again(self, run: StageRun) -> None:
        """Embed the library with the present weights if that was not done lately."""
        if not self.number or run.step < self._next:
            return
        self._next = run.step + self.every
        known = project_all(run.network, self.data.library_pooled, device=run.device)
        self.vectors = _rows(known, self.data.may_be_shown)

    def nearest(self, spectra: Tensor, own: NDArray[np.int64]) -> NDArray[np.int64]:
        """Library rows (B, number) of the molecules nearest to each spectrum (B, D), its own left out."""
        _, places = (spectra.float() @ self.vectors.T).topk(self.number + 1, dim=1)
        rows = self.data.may_be_shown[places.cpu().numpy()]
        is_own = rows == own[:, None]
        is_own[~is_own.any(axis=1), -1] = True  # where the own is not among them, the last is one too many
        kept: NDArray[np.int64] = rows[~is_own].reshape(len(rows), self.number)
        return kept


def _library_negatives(
    run: StageRun,
    data: ContrastiveData,
    own: NDArray[np.int64],
    choices: ContrastiveChoices,
    rng: np.random.Generator,
) -> tuple[Tensor | None, Tensor | None]:
    """Molecules (N, D) drawn from the library, and which of them are a spectrum's own (B, N)."""
    if not choices.n_library_negatives:
        return None, None
    drawn = rng.choice(data.may_be_shown, choices.n_library_negatives)
    is_own = torch.from_numpy(drawn[None, :] == own[:, None]).to(run.device)
    return run.network.molecule_encoder.project(_rows(data.library_pooled, drawn)), is_own


def _rows(table: Tensor, rows: NDArray[np.int64]) -> Tensor:
    """table (n, D), rows (...) to (..., D) float32."""
    return table[torch.from_numpy(rows).to(table.device)].float()


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


def freeze_for_contrastive(network: GlmrNetwork, *, train_head: bool) -> None:
    """`train_head`: the linear layer from the frozen molecule encoder to E^m learns too."""
    for module in (network.molecule_encoder, network.decoder, network.fusion):
        module.requires_grad_(False)
    network.molecule_encoder.head.requires_grad_(train_head)
