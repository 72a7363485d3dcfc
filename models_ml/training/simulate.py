"""Simulates spectra of library structures with the fragmentation model that a checkpoint has learnt.

Training spectra cover a few thousand compounds, simulated spectra any number, as accurate as the model. They
are for the contrastive stage, which otherwise memorises its compounds. Needs RDKit and torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

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
from models_ml.training.prepare import SpectrumRow, spectrum_arrays
from models_ml.training.ranking.data import ADDUCT_NOTATION, TrainingData
from models_ml.training.settings import SimulateSettings

BATCH = 64
BATCHES_PER_TASK = 8  # that a process takes at once
SAME_MZ_DA = 5e-4  # ions of one formula differ by rounding; no instrument separates closer ions
SPREAD = 0.7  # of the logarithm of an ion's strength: instruments differ
FLOORS = (0.002, 0.02)  # relative intensity below which a record has no peaks, drawn for each spectrum


def simulate(settings: SimulateSettings) -> None:
    """Write one spectrum for each of `number` library structures that are not training compounds.

    `compound` is the row in pretrain.npz. Adduct and energy are those of a random training spectrum outside
    the fold `hold_out`, which the checkpoint's channels must have held out too. The number of processes does
    not change the result.
    """
    simulator = _Simulator(settings.data, settings.checkpoint)
    batches = _batches(simulator.data, settings)
    spectra: list[SpectrumRow] = []
    if settings.processes == 1:
        for batch in tqdm(batches, "simulated spectra"):
            spectra.extend(simulator.run(batch))
    else:
        for found in tqdm(_run_in_processes(batches, settings), "simulated spectra", len(batches)):
            spectra.extend(found)
    spectrum_arrays(spectra).save(settings.out)


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    seed: int
    start: int  # together with `seed`, the seed of this batch
    rows: NDArray[np.int64]  # structures in pretrain.npz
    patterns: NDArray[np.int64]  # training spectra whose conditions are used


def _batches(data: TrainingData, settings: SimulateSettings) -> list[_Batch]:
    rng = np.random.default_rng(settings.seed)
    shown = np.flatnonzero(data.folds[data.spectra.compound] != settings.hold_out)
    unmeasured = np.setdiff1d(np.arange(len(data.library)), data.own)
    rows = rng.choice(unmeasured, min(settings.number, len(unmeasured)), replace=False)
    rows = rows[np.argsort(data.library.exact_mass[rows], kind="stable")]
    patterns = rng.choice(shown, len(rows))
    return [
        _Batch(settings.seed, start, rows[start : start + BATCH], patterns[start : start + BATCH])
        for start in range(0, len(rows), BATCH)
    ]


class _Simulator:
    def __init__(self, data: Path, checkpoint: Path) -> None:
        """Raises ValueError if the checkpoint has no fragmentation model."""
        ranking = load_ranking(checkpoint)
        if ranking is None or ranking.predicted is None:
            raise ValueError(f"{checkpoint} has no fragmentation model; run `ranking` on it first.")
        self.network = ranking.predicted.intensity
        self.data = TrainingData.load(data)
        self.smiles = self.data.library.smiles

    def run(self, batch: _Batch) -> list[SpectrumRow]:
        rng = np.random.default_rng([batch.seed, batch.start])
        structures = [
            _StructureIons(self.data, row, pattern, self.smiles[row])
            for row, pattern in zip(batch.rows.tolist(), batch.patterns.tolist(), strict=True)
        ]
        spectra: list[SpectrumRow] = []
        for structure, strengths in zip(structures, _strengths(self.network, structures), strict=True):
            features = structure.spectrum(strengths, rng)
            if features is not None:
                spectra.append((features, structure.mass, structure.row))
        return spectra


def _run_in_processes(batches: Sequence[_Batch], settings: SimulateSettings) -> Iterator[list[SpectrumRow]]:
    with ProcessPoolExecutor(
        settings.processes,
        get_context("spawn"),
        initializer=_start_process,
        initargs=(settings.data, settings.checkpoint),
    ) as pool:
        yield from pool.map(_run, batches, chunksize=BATCHES_PER_TASK)


def _start_process(data: Path, checkpoint: Path) -> None:
    """Make the simulator of this process, once."""
    global _simulator
    torch.set_num_threads(1)
    _simulator = _Simulator(data, checkpoint)


def _run(batch: _Batch) -> list[SpectrumRow]:
    return _simulator.run(batch)


_simulator: _Simulator


class _StructureIons:
    """The ions of one structure under the conditions of one training spectrum."""

    def __init__(self, data: TrainingData, row: int, pattern: int, smiles: str) -> None:
        spectra = data.spectra
        self.row = row
        self.mass = float(data.library.exact_mass[row])
        self.adduct, self.energy = int(spectra.adduct[pattern]), float(spectra.energy[pattern])
        self.kind = int(spectra.energy_kind[pattern])
        notation = ADDUCT_NOTATION[self.adduct]
        self.precursor_mz = adducts.precursor_mz(self.mass, notation)
        self.table = fragment_table(smiles, adducts.parse(notation).charge < 0)
        self.mz, self.exists = table_ions(self.table, notation, self.precursor_mz)

    def pair(self) -> tuple[SpectrumPeaks, PairIons]:
        """Input of the network, for a spectrum without peaks."""
        numbers = conditions(self.adduct, self.energy, self.kind, self.precursor_mz)
        no_peaks = SpectrumPeaks(numbers, np.zeros((0, N_PEAK_NUMBERS), np.float32), np.zeros(0, np.float32))
        packed = np.packbits(self.exists, axis=1)
        return no_peaks, PairIons(self.table, packed, np.zeros(0, np.int32), np.zeros(0, np.uint8))

    def spectrum(self, strengths: NDArray[np.float64], rng: np.random.Generator) -> SpectrumFeatures | None:
        """`strengths` (R, N_COLUMNS) of the ions, as square roots of intensities. None if no ion is left."""
        ions = np.flatnonzero(self.exists)
        mz = self.mz.ravel()[ions]
        strength = strengths.ravel()[ions] * np.exp(rng.normal(0, SPREAD, len(ions)))
        order = np.argsort(mz, kind="stable")
        mz, strength = mz[order], strength[order]
        peak = np.cumsum(np.diff(mz, prepend=mz[:1]) > SAME_MZ_DA)
        height = np.bincount(peak, strength) ** 2
        first = np.searchsorted(peak, np.arange(len(height)))
        relative = height / max(height.max(initial=0.0), 1e-12)
        kept = np.flatnonzero(relative >= max(NOISE_FLOOR, float(rng.uniform(*FLOORS))))
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


def _strengths(network: FragmentIntensity, structures: Sequence[_StructureIons]) -> list[NDArray[np.float64]]:
    """Strengths (R, N_COLUMNS) of the ions of each structure."""
    spectra, pairs = zip(*(structure.pair() for structure in structures), strict=True)
    with torch.inference_mode():
        logits = network(IonBatch.of(spectra, [[pair] for pair in pairs])).double()
    sizes = [len(structure.table.mass) for structure in structures]
    return [part.exp().numpy() for part in torch.split(logits, sizes)]
