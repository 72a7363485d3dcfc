"""Spectra of library structures, simulated by the model of fragmentation that a checkpoint has learnt.

Training spectra tell of a few thousand compounds; these tell of as many as one likes, at the truth of the
model. They are for the contrastive stage, which otherwise learns its compounds by heart. Needs RDKit.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from models_ml.evidence.fragment_table import fragment_table
from models_ml.evidence.ion_shares import N_PEAK_NUMBERS, IonBatch, PairIons, SpectrumPeaks, conditions
from models_ml.evidence.predicted_peaks import table_ions
from models_ml.networks.fragment_intensity import FragmentIntensity
from models_ml.ranking.model import load_ranking
from models_ml.spectra import adducts
from models_ml.spectra.features import SpectrumFeatures
from models_ml.spectra.preprocess import MAX_PEAKS, NOISE_FLOOR
from models_ml.training.prepare import spectrum_arrays
from models_ml.training.ranking.evidence import ADDUCT_OF_PLACE, Pools

BATCH = 64
SAME_MZ_DA = 5e-4  # ions of one formula differ by rounding; an instrument tells no nearer ones apart
SPREAD = 0.7  # of the logarithm of an ion's strength: no two instruments give the same
FLOORS = (0.002, 0.02)  # relative intensity at which a record may end

Simulated: TypeAlias = tuple[SpectrumFeatures, float, int]  # spectrum, exact mass, row in pretrain.npz


def simulate(
    *,
    data: Path,
    checkpoint: Path,
    number: int,
    hold_out: int | None,
    seed: int,
    out: Path,
    processes: int = 1,
) -> None:
    """Write one spectrum of each of `number` library structures that are no training compounds.

    `compound` is the row in pretrain.npz. Adduct and energy are those of a training spectrum drawn at random,
    outside the fold `hold_out`, which the checkpoint's channels must have held out too. The same for every
    number of processes.
    """
    simulator = _Simulator(data, checkpoint)
    pools = simulator.pools
    rng = np.random.default_rng(seed)
    shown = np.flatnonzero(pools.folds[pools.spectra.compound] != hold_out)
    free = np.setdiff1d(np.arange(len(pools.library)), pools.own)
    rows = rng.choice(free, min(number, len(free)), replace=False)
    rows = rows[np.argsort(pools.library.exact_mass[rows], kind="stable")]
    patterns = rng.choice(shown, len(rows))
    batches = [
        _Batch(seed, start, rows[start : start + BATCH], patterns[start : start + BATCH])
        for start in range(0, len(rows), BATCH)
    ]
    found: list[Simulated] = []
    if processes == 1:
        for batch in tqdm(batches, "simulated spectra"):
            found.extend(simulator.run(batch))
    else:
        with ProcessPoolExecutor(
            processes, get_context("spawn"), initializer=_begin, initargs=(data, checkpoint)
        ) as pool:
            for some in tqdm(pool.map(_run, batches, chunksize=8), "simulated spectra", len(batches)):
                found.extend(some)
    spectrum_arrays(found).save(out)


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    seed: int
    start: int  # with the seed it makes the random numbers of this batch
    rows: NDArray[np.int64]  # structures in pretrain.npz
    patterns: NDArray[np.int64]  # training spectra, for their conditions


class _Simulator:
    def __init__(self, data: Path, checkpoint: Path) -> None:
        """Raises ValueError if the checkpoint has no model of fragmentation."""
        ranking = load_ranking(checkpoint)
        if ranking is None or ranking.predicted is None:
            raise ValueError(f"{checkpoint} has no model of fragmentation; run `ranking` on it first.")
        self.network = ranking.predicted.intensity
        self.pools = Pools.load(data)
        self.smiles = self.pools.library.smiles

    def run(self, batch: _Batch) -> list[Simulated]:
        rng = np.random.default_rng([batch.seed, batch.start])
        asked = [
            _Asked(self.pools, row, pattern, self.smiles[row])
            for row, pattern in zip(batch.rows.tolist(), batch.patterns.tolist(), strict=True)
        ]
        found: list[Simulated] = []
        for one, strengths in zip(asked, _strengths(self.network, asked), strict=True):
            features = one.spectrum(strengths, rng)
            if features is not None:
                found.append((features, one.mass, one.row))
        return found


def _begin(data: Path, checkpoint: Path) -> None:
    """A process's own simulator, made once."""
    global _own
    torch.set_num_threads(1)
    _own = _Simulator(data, checkpoint)


def _run(batch: _Batch) -> list[Simulated]:
    return _own.run(batch)


_own: _Simulator


class _Asked:
    """One structure under the conditions of one training spectrum."""

    def __init__(self, pools: Pools, row: int, pattern: int, smiles: str) -> None:
        seen = pools.spectra
        self.row = row
        self.mass = float(pools.library.exact_mass[row])
        self.adduct, self.energy = int(seen.adduct[pattern]), float(seen.energy[pattern])
        self.kind = int(seen.energy_kind[pattern])
        notation = ADDUCT_OF_PLACE[self.adduct]
        self.precursor_mz = adducts.precursor_mz(self.mass, notation)
        self.table = fragment_table(smiles, adducts.parse(notation).charge < 0)
        self.mz, self.exists = table_ions(self.table, notation, self.precursor_mz)

    def pair(self) -> tuple[SpectrumPeaks, PairIons]:
        """As the network reads it, without any peak."""
        told = conditions(self.adduct, self.energy, self.kind, self.precursor_mz)
        nothing = SpectrumPeaks(told, np.zeros((0, N_PEAK_NUMBERS), np.float32), np.zeros(0, np.float32))
        packed = np.packbits(self.exists, axis=1)
        return nothing, PairIons(self.table, packed, np.zeros(0, np.int32), np.zeros(0, np.uint8))

    def spectrum(self, strengths: NDArray[np.float64], rng: np.random.Generator) -> SpectrumFeatures | None:
        """`strengths` of the ions (R, N_COLUMNS), by square root of intensity. None if no ion is left."""
        flat = np.flatnonzero(self.exists)
        mz = self.mz.ravel()[flat]
        strength = strengths.ravel()[flat] * np.exp(rng.normal(0, SPREAD, len(flat)))
        order = np.argsort(mz, kind="stable")
        mz, strength = mz[order], strength[order]
        peak = np.cumsum(np.diff(mz, prepend=mz[:1]) > SAME_MZ_DA)
        height = np.bincount(peak, strength) ** 2
        first = np.searchsorted(peak, np.arange(len(height)))
        relative = height / max(height.max(initial=0.0), 1e-12)
        seen = relative >= max(NOISE_FLOOR, float(rng.uniform(*FLOORS)))
        kept = np.flatnonzero(seen)
        kept = np.sort(kept[np.argsort(-relative[kept], kind="stable")[:MAX_PEAKS]])
        if not len(kept):
            return None
        return SpectrumFeatures(
            mz=mz[first[kept]].astype(np.float32),
            intensity=relative[kept].astype(np.float32),
            precursor_mz=self.precursor_mz,
            adduct=self.adduct,
            energy=self.energy,
            energy_kind=self.kind,
        )


def _strengths(network: FragmentIntensity, asked: Sequence[_Asked]) -> list[NDArray[np.float64]]:
    """Of each structure's ions (R, N_COLUMNS)."""
    spectra, pairs = zip(*(one.pair() for one in asked), strict=True)
    with torch.inference_mode():
        logits = network(IonBatch.of(spectra, [[pair] for pair in pairs])).double()
    strengths: list[NDArray[np.float64]] = [
        part.exp().numpy() for part in torch.split(logits, [len(one.table.mass) for one in asked])
    ]
    return strengths
