"""The settings of every training command: one frozen dataclass each.

A class is the configuration of its command, its command line, and the file that a stage saves beside its
state. The comment behind a field is its help text. Imports neither torch nor RDKit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareSettings:
    """Convert structure and spectrum files to arrays. Needs RDKit, not torch."""

    command: ClassVar[str] = "prepare"

    structures: Path  # structures for pre-training
    train: Path  # training spectra with structures
    val: Path  # validation spectra with structures
    out: Path  # folder for the arrays
    variants: int = 2  # random spellings of each structure
    seed: int = 0  # of the spellings and the folds


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings:
    """Settings that all stages share. A stage saves its state and resumes from it."""

    command: ClassVar[str] = ""

    data: Path  # folder that `prepare` wrote
    run: Path  # folder for the states and logs of this run
    max_minutes: float | None = None  # training time; a larger value on a later call resumes
    max_steps: int | None = None  # optimiser steps; without --max-minutes, the seed repeats the run
    batch_size: int = 64  # rows of a batch
    rate: float = 7e-4  # peak learning rate
    dropout: float = 0.0  # dropout probability
    check_every: float = 120.0  # seconds of training between validations
    seed: int = 0  # of weights and batches
    device: str = "cpu"  # cpu or cuda
    threads: int = 0  # processor threads; 0: the default of torch
    fresh: bool = False  # start over although a state exists


# A resumed stage may change these. The change is printed and logged. Every other change is refused.
MAY_CHANGE_ON_RESUME = frozenset({"run", "max_minutes", "max_steps", "check_every", "device", "threads"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainSettings(StageSettings):
    """Train the molecule side: denoise SMILES, predict fingerprints."""

    command: ClassVar[str] = "pretrain"

    config: str = "small"  # network size: small, paper, base or tiny
    token_window: int | None = None  # replaces the value of the network size; 0: no window
    warm_start: Path | None = None  # a pretrain.pt of another run to start from
    # Share of steps that also train the decoder. The decoder learns its grammar soon. The fingerprint needs
    # many more molecules, and a step without the decoder costs less than half. Such a step reads the
    # canonical spelling without masks, which is what every later stage reads.
    decoder_share: float = 1.0

    random_spelling: float = 0.5  # share of rows in a random spelling
    masked_rows: float = 0.5  # share of rows with masked spans
    masked_tokens: float = 0.15  # share of masked tokens in such a row
    embedding_only: float = 0.3  # share of rows whose decoder reads only E^m, as after the fusion


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrumStageSettings(StageSettings):
    """Settings of the stages that read spectra."""

    dropout: float = 0.1  # dropout probability
    source: Path | None = None  # run folder of the pre-training; default: --run
    warm_start: Path | None = None  # a state of this stage in another run to start from
    simulated: Path | None = None  # a file that `simulate` wrote (not in the paper)

    peak_dropout: float = 0.15  # share of peaks that a training spectrum loses; the base peak stays
    mz_jitter_ppm: float = 5.0  # standard deviation of the noise on m/z
    intensity_noise: float = 0.2  # largest relative change of an intensity

    @property
    def source_run(self) -> Path:
        """Run folder whose molecule encoder and molecule features this stage uses."""
        return self.source or self.run


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastiveSettings(SpectrumStageSettings):
    """Train the spectrum encoder: dual-path InfoNCE."""

    command: ClassVar[str] = "contrastive"

    batch_size: int = 96  # many small steps beat few large ones on two cores; a GPU takes 512
    blind: bool = False  # the blind control: no peak is shown
    hold_out: int | None = None  # a fold of folds.npz that is never shown, for the ranker to learn on
    train_head: bool = False  # also train the last layer of the molecule embedding
    head_hidden: int = 0  # width of a hidden layer beside the embedding heads; 0: none

    perturbed_share: float = 0.25  # share of rows that also face their perturbed copy
    mass_sorted_share: float = 0.5  # share of epochs whose batches hold molecules of similar mass
    mass_spread_da: float = 15.0  # standard deviation of the noise on the mass that sorts such batches
    mass_negatives: bool = False  # add library molecules of similar mass (not in the paper)
    n_mass_negatives: int = 32  # of these for each spectrum
    # Library molecules of any mass that all spectra of a batch face (not in the paper). Without them the
    # model learns to separate measured compounds only, and finds little in a whole library.
    library_negatives: int = 0
    hard_negatives: int = 0  # for each spectrum, the most similar wrong library molecules (not in the paper)
    hard_every_steps: int = 50  # steps after which the library is embedded again for these
    n_simulated: int = 48  # simulated spectra of each batch, with --simulated


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerativeSettings(SpectrumStageSettings):
    """Train fusion and decoder: token likelihood."""

    command: ClassVar[str] = "generative"

    per_compound: int = 8  # most spectra of a compound
    fusion: str = "cross"  # cross (the paper), or an ablation: average, concat, none
    n_candidates: int = 40  # K: candidates that the decoder reads
    context_molecules: int = 0  # candidates that are read token by token (not in the paper)
    cross_fitted: tuple[Path, ...] = ()  # runs of `contrastive` that each held out another fold
    drop_truth: float = 0.3  # share of rows whose molecule is removed from its candidates


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerprintHeadSettings:
    """Training of one fingerprint head."""

    batch_size: int = 128
    rate: float = 1e-3
    epochs: int = 24  # an epoch shows one spectrum of each compound
    blind_epochs: int = 16  # blind heads overfit sooner: validation chose fewer epochs
    decoys: int = 31  # 0: bits only, the plain baseline
    bit_weight: float = 100.0  # scales the mean over mostly empty bits to the size of the other loss
    peak_dropout: float = 0.15
    intensity_noise: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedPeaksSettings:
    """Training of the scorer of predicted peaks."""

    most_candidates: int = 24  # of a list; larger windows are cut
    likelihood_per_compound: int = 8  # most spectra of a compound
    likelihood_epochs: int = 4
    likelihood_batch: int = 256
    likelihood_rate: float = 4e-3
    epochs: float = 2.5
    batch_lists: int = 32
    rate: float = 3e-3
    likelihood_weight: float = 0.2  # relative to the loss that separates candidates


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingSettings:
    """Train the fused ranking into a packed checkpoint. Needs RDKit and torch."""

    command: ClassVar[str] = "ranking"

    data: Path  # folder that `prepare` wrote
    run: Path  # run folder with contrastive.pt
    checkpoint: Path  # folder that `pack` wrote
    hold_out: int = 0  # the fold that contrastive and generative held out: the ranker learns on it
    blind: bool = False  # the blind control: heads that never see a peak, and no other channel
    seeds: tuple[int, ...] = (0,)  # the first goes into the checkpoint, the others into copies beside it
    channels_of: Path | None = None  # a checkpoint whose heads and scorers are used unchanged
    keep_rankers: bool = False  # also use its rankers: only the absence classifiers learn

    n_heads: int = 2  # fingerprint heads
    n_rankers: int = 3
    per_compound: int = 4  # most spectra of a compound
    ranker_epochs: int = 10
    batch_lists: int = 64
    analogs_absent: float = 0.4  # share of lists ranked as in an installation without references
    channel_absent: float = 0.1  # share of lists that lose one other channel, so that each can be left out
    truth_deleted: float = 0.15  # share of lists that lose their molecule
    heads: FingerprintHeadSettings = field(default_factory=FingerprintHeadSettings)
    predicted_peaks: PredictedPeaksSettings = field(default_factory=PredictedPeaksSettings)

    def __post_init__(self) -> None:
        if self.keep_rankers and self.channels_of is None:
            raise ValueError("--keep-rankers: name the checkpoint of these rankers with --channels-of.")
        if not self.seeds:
            raise ValueError("--seeds: give at least one seed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineSettings:
    """Train fingerprint heads without decoys, for `evaluate --baseline fingerprint_bce=FOLDER`."""

    command: ClassVar[str] = "baseline"

    data: Path  # folder that `prepare` wrote
    out: Path  # folder for the heads
    hold_out: int = 0  # a fold that is not shown, as for `ranking`
    seed: int = 0
    n_heads: int = 2
    heads: FingerprintHeadSettings = field(default_factory=lambda: FingerprintHeadSettings(decoys=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class FormulasSettings:
    """Fit the ranking of molecular formulas. Needs RDKit, not torch."""

    command: ClassVar[str] = "formulas"

    structures: Path  # structures for the plausibility, without any evaluated molecule
    train: Path  # training spectra with structures
    val: Path  # spectra of other compounds, for the calibration
    out: Path  # the parameters, JSON: models_ml/formulas/parameters.json is what the server reads
    per_compound: int = 4  # most spectra of a compound
    tolerance_ppm: float = 10.0  # of the precursor
    foreign_peaks: float = 0.5  # share of spectra that get peaks of another compound while the weights learn
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateSettings:
    """Simulate spectra of library structures, for `contrastive --simulated`. Needs RDKit and torch."""

    command: ClassVar[str] = "simulate"

    data: Path  # folder that `prepare` wrote
    checkpoint: Path  # a checkpoint with a fused ranking
    out: Path  # an .npz file
    number: int = 60_000  # structures, one spectrum each
    hold_out: int = 0  # the fold that the ranking held out
    seed: int = 0
    processes: int = 1  # any number gives the same spectra


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackSettings:
    """Start a run folder from a checkpoint."""

    command: ClassVar[str] = "unpack"

    checkpoint: Path
    data: Path  # folder that `prepare` wrote, with the tokenizer of the checkpoint
    run: Path  # folder to write


@dataclass(frozen=True, slots=True, kw_only=True)
class PackSettings:
    """Write a finished run as a checkpoint folder."""

    command: ClassVar[str] = "pack"

    run: Path  # run folder with generative.pt
    data: Path  # folder that `prepare` wrote
    out: Path  # folder to write
    name: str  # of the checkpoint


Settings = (
    PrepareSettings
    | PretrainSettings
    | ContrastiveSettings
    | GenerativeSettings
    | RankingSettings
    | BaselineSettings
    | FormulasSettings
    | SimulateSettings
    | UnpackSettings
    | PackSettings
)
