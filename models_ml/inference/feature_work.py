"""The record of one feature that the stages of `annotate` fill in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from models_ml.outcomes import (
    Annotated,
    CannotAnnotate,
    Confidence,
    Embedding,
    FormulaCandidate,
    GeneratedMolecule,
    MemberOutcome,
    NoMatch,
    Outcome,
    RankedCandidate,
    Retrieved,
)
from models_ml.spectra.feature import Feature
from models_ml.spectra.precursor_window import PrecursorWindow, PreparedSpectrum
from models_ml.spectra.spectrum import Spectrum


@dataclass(slots=True, eq=False)
class MemberWork:
    """One spectrum of a feature. A `failure` leaves it out; the other members go on."""

    spectrum: Spectrum
    failure: CannotAnnotate | None = None

    # 1. Preprocess
    prepared: PreparedSpectrum = field(init=False)

    # 2. Embed and retrieve
    embedding: Embedding = field(init=False)  # E^s (D,)
    features: Tensor = field(init=False)  # H^s (T, Ds), padded to the longest spectrum of the batch
    keep: Tensor = field(init=False)  # (T,)


@dataclass(slots=True, eq=False)
class FeatureWork:
    """One feature on its way through `annotate`.

    A stage fills the fields under its name and reads those above. Reading a field before its stage has run
    raises AttributeError. A `failure` ends the work: later stages skip the feature.
    Symbols: docs/glossary.md.
    """

    members: list[MemberWork]
    representative: int
    failure: CannotAnnotate | None = None  # the input cannot be annotated

    # 2. Embed and retrieve
    embedding: Embedding = field(init=False)  # (D,) pooled E^s of the members
    retrieved: Retrieved = field(init=False)
    no_match: str = ""  # why no library molecule fits

    # 3. Generate
    generated: list[GeneratedMolecule] = field(default_factory=list)  # stays empty if nothing is generated

    # 4. Re-rank; `fuse` sorts the candidates again
    ranked: tuple[RankedCandidate, ...] = field(init=False)

    # 5. Fuse
    confidence: Confidence | None = None
    outcomes: tuple[MemberOutcome, ...] = ()  # of the usable members, in order

    # 6. Formulas
    formulas: tuple[FormulaCandidate, ...] = ()
    formula_note: str = ""  # what limited the search for formulas

    @classmethod
    def of(cls, spectrum: Spectrum | Feature) -> FeatureWork:
        feature = Feature.of(spectrum)
        return cls([MemberWork(member) for member in feature.members], feature.representative)

    @property
    def usable(self) -> list[MemberWork]:
        """The members that take part."""
        return [member for member in self.members if member.failure is None]

    @property
    def leader(self) -> MemberWork:
        """The representative, from which the decoder generates."""
        return self.members[self.representative]

    @property
    def window(self) -> PrecursorWindow:
        return self.leader.prepared.window

    def outcome(self, timings_s: Mapping[str, float]) -> Outcome:
        """The result, after all stages. `timings_s`: this feature's share of each stage."""
        if self.failure is not None:
            return self.failure
        window = self.window
        if self.no_match:
            return NoMatch(
                adduct=window.adduct,
                adduct_assumed=window.adduct_assumed,
                neutral_mass=window.neutral_mass,
                tolerance_da=window.tolerance_da,
                reason=self.no_match,
                generated=tuple(self.generated),
                timings_s=timings_s,
                members=self._member_outcomes(),
                formulas=self.formulas,
                formula_note=self.formula_note,
            )
        return Annotated(
            adduct=window.adduct,
            adduct_assumed=window.adduct_assumed,
            neutral_mass=window.neutral_mass,
            n_in_window=self.retrieved.n_in_window,
            candidates=self.ranked,
            generated=tuple(self.generated),
            timings_s=timings_s,
            confidence=self.confidence,
            members=self._member_outcomes(),
            formulas=self.formulas,
            formula_note=self.formula_note,
        )

    def _member_outcomes(self) -> tuple[MemberOutcome, ...]:
        fused = {outcome.index: outcome for outcome in self.outcomes}
        return tuple(
            fused.get(index, MemberOutcome(index, failure=member.failure))
            for index, member in enumerate(self.members)
        )
