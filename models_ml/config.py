"""Sizes and options of a GLMR network, and the named configurations. Plain values: imports no torch.

Symbols: docs/glossary.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class GlmrConfig:
    """Everything needed to build the network for a checkpoint's weights.

    Field names are keys in the config.json of stored checkpoints.
    """

    vocabulary_size: int
    name: str = "small"
    # Molecule side: a ChemFormer-style BART
    d_molecule: int = 256  # Dm
    molecule_layers: int = 3  # of the encoder and of the decoder each
    molecule_heads: int = 8
    molecule_ff: int = 1024
    # Width of the TokenWindow before the first block of the encoder; 0: none, plain BART.
    token_window: int = 7
    max_tokens: int = 256  # longer SMILES are truncated
    # Spectrum side
    d_spectrum: int = 256  # Ds
    spectrum_layers: int = 6
    spectrum_heads: int = 8
    spectrum_ff: int = 1024
    max_peaks: int = 64
    fourier_features: int = 64
    # Trained vectors for 0.1 Da bins of m/z and of neutral loss, added to the Fourier features; 0: none.
    mz_bins: int = 10_000
    spectrum_blind: bool = False  # the control: reads no peaks, everything else is equal
    # How the memory includes the candidates' E^m: cross (the paper's method), average, concat or none.
    fusion: str = "cross"
    # Number of the most similar candidates whose H^m the memory includes; 0: none, as in the paper.
    context_molecules: int = 0
    # Joint space
    embedding_dim: int = 256  # D
    # Width of a small network added to each linear embedding head; 0: none, as in the paper.
    head_hidden: int = 0
    dropout: float = 0.1

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GlmrConfig:
        return cls(**values)


_SIZES: dict[str, dict[str, Any]] = {
    "tiny": {  # for tests
        "d_molecule": 32,
        "molecule_layers": 1,
        "molecule_heads": 2,
        "molecule_ff": 64,
        "d_spectrum": 32,
        "spectrum_layers": 1,
        "spectrum_heads": 2,
        "spectrum_ff": 64,
        "fourier_features": 16,
        "mz_bins": 0,
        "embedding_dim": 32,
        "max_tokens": 64,
        "dropout": 0.0,
    },
    "small": {},  # trains on two cores
    "paper": {"molecule_layers": 6, "embedding_dim": 512, "token_window": 0},  # 256-d, 6 + 6 layers
    "base": {  # ChemFormer's size
        "d_molecule": 512,
        "molecule_layers": 6,
        "molecule_ff": 2048,
        "embedding_dim": 512,
        "token_window": 0,
    },
}


def named_config(name: str, *, vocabulary_size: int) -> GlmrConfig:
    """Raises ValueError if there is no configuration of that name."""
    if name not in _SIZES:
        raise ValueError(f"Unknown configuration {name!r}. Choose one of {', '.join(_SIZES)}.")
    return replace(GlmrConfig(vocabulary_size=vocabulary_size), name=name, **_SIZES[name])
