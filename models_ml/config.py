"""Sizes and switches of a GLMR network, and the named configurations. Plain values: imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class GlmrConfig:
    """Everything needed to build the network that a checkpoint's weights fit into."""

    vocabulary_size: int
    name: str = "small"
    # Molecule side: a ChemFormer-style BART
    d_molecule: int = 256
    molecule_layers: int = 3  # of the encoder, and again of the decoder
    molecule_heads: int = 8
    molecule_ff: int = 1024
    # Tokens that the encoder sees at once before its first block; 0 is plain BART. See TokenWindow.
    token_window: int = 7
    max_tokens: int = 256  # longest SMILES in tokens; a longer one loses its tail
    # Spectrum side
    d_spectrum: int = 256
    spectrum_layers: int = 6
    spectrum_heads: int = 8
    spectrum_ff: int = 1024
    max_peaks: int = 64
    fourier_features: int = 64
    # Learnt vectors for 0.1 Da bins of m/z and of neutral loss, added to the Fourier features; 0: none.
    mz_bins: int = 10_000
    spectrum_blind: bool = False  # the control: peaks are never seen, everything else is equal
    # How candidates come into the decoder's memory: cross (the paper's), average, concat or none.
    fusion: str = "cross"
    # So many of the candidates nearest to the spectrum are read token by token too; 0: none, as in the paper.
    context_molecules: int = 0
    # Joint space
    embedding_dim: int = 256
    # Width of a small network beside each linear embedding head; 0: none, as in the paper.
    head_hidden: int = 0
    dropout: float = 0.1

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GlmrConfig:
        return cls(**values)


def named_config(name: str, *, vocabulary_size: int) -> GlmrConfig:
    """`small` trains on two cores, `paper` is the size of the issue (256-d, 6+6), `base` is ChemFormer's."""
    small = GlmrConfig(vocabulary_size=vocabulary_size)
    sizes: dict[str, dict[str, Any]] = {
        "tiny": {
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
        "small": {},
        "paper": {"molecule_layers": 6, "embedding_dim": 512, "token_window": 0},
        "base": {
            "d_molecule": 512,
            "molecule_layers": 6,
            "molecule_ff": 2048,
            "embedding_dim": 512,
            "token_window": 0,
        },
    }
    if name not in sizes:
        raise ValueError(f"No configuration named {name!r}; there are {', '.join(sizes)}.")
    return replace(small, name=name, **sizes[name])
