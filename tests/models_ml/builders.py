"""Builders of retrieved molecules for the tests of re-ranking and generation."""

from __future__ import annotations

import numpy as np

from models_ml.outcomes import Retrieved, RetrievedMolecule

AXES = np.eye(4, dtype=np.float32)  # orthogonal embeddings


def make_retrieved(*similarities: float) -> Retrieved:
    """Molecules with keys 10, 11, ... and first blocks KEY0, KEY1, ..."""
    molecules = tuple(
        RetrievedMolecule(10 + n, f"C{n}", f"KEY{n}", "CH4", 100.0, AXES[n], similarity)
        for n, similarity in enumerate(similarities)
    )
    return Retrieved(molecules, len(molecules))
