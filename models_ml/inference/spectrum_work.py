"""The record of one spectrum that the stages of `annotate` fill in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from models_ml.outcomes import (
    Annotated,
    CannotAnnotate,
    Confidence,
    Embedding,
    GeneratedMolecule,
    Outcome,
    RankedCandidate,
    Retrieved,
)
from models_ml.spectra.precursor_window import PreparedSpectrum
from models_ml.spectra.spectrum import Spectrum


@dataclass(slots=True, eq=False)
class SpectrumWork:
    """One spectrum on its way through `annotate`.

    A stage fills the fields under its name and reads those above. Reading a field before its stage has run
    raises AttributeError. A `failure` ends the work: later stages skip the spectrum.
    Symbols: docs/glossary.md.
    """

    spectrum: Spectrum
    failure: CannotAnnotate | None = None

    # 1. Preprocess
    prepared: PreparedSpectrum = field(init=False)

    # 2. Embed and retrieve
    embedding: Embedding = field(init=False)  # E^s (D,)
    features: Tensor = field(init=False)  # H^s (T, Ds), padded to the longest spectrum of the batch
    keep: Tensor = field(init=False)  # (T,)
    retrieved: Retrieved = field(init=False)

    # 3. Generate
    generated: list[GeneratedMolecule] = field(default_factory=list)  # stays empty if nothing is generated

    # 4. Re-rank; `fuse` sorts the candidates again
    ranked: tuple[RankedCandidate, ...] = field(init=False)

    # 5. Fuse
    confidence: Confidence | None = None

    def outcome(self, timings_s: Mapping[str, float]) -> Outcome:
        """The result, after all stages. `timings_s`: this spectrum's share of each stage."""
        if self.failure is not None:
            return self.failure
        window = self.prepared.window
        return Annotated(
            adduct=window.adduct,
            adduct_assumed=window.adduct_assumed,
            neutral_mass=window.neutral_mass,
            n_in_window=self.retrieved.n_in_window,
            candidates=self.ranked,
            generated=tuple(self.generated),
            timings_s=timings_s,
            confidence=self.confidence,
        )
