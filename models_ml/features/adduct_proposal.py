"""Proposes the adduct of a feature from the ions that elute with it, unless two adducts fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models_ml.spectra.survey import AdductEvidence, Survey


@dataclass(frozen=True, slots=True)
class AdductProposal:
    """An adduct that MS1 supports. A person must accept it; nothing is filled in silently."""

    adduct: str
    reason: str  # the evidence as one sentence
    evidence: tuple[AdductEvidence, ...]  # the strongest evidence of each partner


def propose_adduct(surveys: Sequence[Survey]) -> AdductProposal | None:
    """The only adduct that the surveys of one feature support, or None."""
    return None
