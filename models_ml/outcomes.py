"""Inputs and results of `annotate`: plain frozen values that server and torch code share.

Symbols: docs/glossary.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Embedding = NDArray[np.float32]

# How candidates are ranked: `glmr` as the paper describes, `fused` by all evidence channels together.
METHODS = ("fused", "glmr")
# Which adduct counts. `detected`: the one that the file states, else the one that MS1 suggests, if accepted.
# `fallback`: the detected one, else the one to assume. `enforced`: always the one to assume.
ADDUCT_POLICIES = ("fallback", "detected", "enforced")
# How `glmr` sorts its candidates: `generated` as in the paper, `blend` by retrieval and generation.
RERANKS = ("blend", "generated")


@dataclass(frozen=True, slots=True)
class AnnotateParams:
    """Everything that changes a result, apart from the spectrum, the model and the library.

    Stored with each annotation. The same parameters, model and library versions give the same ranks.
    """

    method: str = "fused"  # one of METHODS
    precursor_tolerance_ppm: float = 10.0
    n_candidates: int = 40  # K. The paper finds that recall does not grow beyond it.
    beam_size: int = 5
    max_tokens: int = 128
    seed: int = 0
    # Ablations
    generate: bool = True  # False: no decoder; candidates stay in the order of retrieval
    use_candidates: bool = True  # False: the decoder's memory consists of the spectrum only
    without_channel: str = ""  # a channel of the fused ranking to leave out
    # Generation. The evaluation of generation measures these settings.
    syntax_constraint: bool = True  # only tokens after which the SMILES can still be completed
    # Penalty in nats for each factor e by which a string's mass error exceeds the tolerance; 0: none
    mass_constraint: float = 0.1
    rerank: str = "blend"  # one of RERANKS
    rerank_weight: float = 0.15  # of the generated similarity in `blend`; best on validation spectra
    # Adduct to assume by ion mode, where `adduct_policy` needs one. Without an entry such a spectrum fails
    # with a reason. The result states that the adduct was assumed.
    assumed_adducts: Mapping[str, str] = field(default_factory=dict)  # {"positive": "[M+H]+"}
    # Use the adduct that MS1 suggests for a feature whose file states none. The caller of `annotate` does it,
    # because spectra do not hold proposals.
    accept_proposed_adducts: bool = False
    adduct_policy: str = "fallback"  # one of ADDUCT_POLICIES

    @property
    def uses_proposed_adducts(self) -> bool:
        """Whether an adduct that MS1 suggests counts where the file states none."""
        return self.accept_proposed_adducts and self.adduct_policy != "enforced"


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """One spectrum's query to the candidate library: the most similar molecules in its mass window."""

    embedding: Embedding  # E^s (D,), unit length
    neutral_mass: float  # Da
    tolerance_da: float  # half width of the window, of the neutral mass
    # Middle of a second window of the same width, in Da, in which only zwitterions with a permanent cation
    # count (models_ml/spectra/zwitterions.py). None: there is no second window.
    zwitterion_mass: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RetrievedMolecule:
    """A candidate that retrieval found, with its stored embedding so that it is not encoded again."""

    key: int  # the caller's identifier: a database id, or a row of an in-memory index
    smiles: str  # canonical, stereo-free
    inchikey_first_block: str
    formula: str
    exact_mass: float  # Da, neutral, monoisotopic
    embedding: Embedding  # E^m (D,), unit length
    embedding_similarity: float  # cosine of E^s and E^m
    fingerprint: bytes = b""  # Morgan bits, packed by `morgan_fingerprint`; empty: the index has none


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Result of one `Query`: at most K molecules, most similar first, ties by key."""

    molecules: tuple[RetrievedMolecule, ...]
    n_in_window: int  # number of library molecules in the mass window, and of zwitterions in the second


# (queries, k) to one result for each query. One call for a whole batch: one database query, not one for each
# spectrum.
Retrieve = Callable[[Sequence[Query], int], Sequence[Retrieved]]
# InChIKey first blocks to those that the whole searched library holds. One call for a whole batch.
FindKnown = Callable[[Sequence[str]], Set[str]]


@dataclass(frozen=True, slots=True)
class GeneratedMolecule:
    """One string that the decoder generated. Invalid strings are kept: they show how well the model works."""

    beam_rank: int  # 1 is best
    text: str  # as generated
    log_likelihood: float  # summed over tokens, natural log, no length normalisation
    smiles: str = ""  # canonical, stereo-free; empty if the text is not a molecule
    inchikey_first_block: str = ""
    formula: str = ""
    exact_mass: float | None = None
    mass_error_ppm: float | None = None  # against the precursor
    in_library: bool = False  # the searched library holds it, inside or outside the mass window
    is_proposed: bool = False  # not in the library and of the precursor's mass: listed apart, never ranked

    @property
    def is_valid(self) -> bool:
        return bool(self.smiles)

    def fits(self, tolerance_ppm: float) -> bool:
        """Whether its mass agrees with the precursor."""
        return self.mass_error_ppm is not None and abs(self.mass_error_ppm) <= tolerance_ppm


@dataclass(frozen=True, slots=True)
class RankedCandidate:
    """A candidate at its final rank, with each similarity under its own name."""

    rank: int  # 1 is best
    key: int
    smiles: str
    inchikey_first_block: str
    formula: str
    exact_mass: float
    mass_error_ppm: float  # (measured - theoretical) / theoretical, at the precursor's m/z
    retrieval_rank: int
    embedding_similarity: float  # cosine of E^s and E^m
    generated_similarity: float | None  # cosine to the most similar generated molecule; None: none was valid
    # Raw value of each evidence channel by name, larger is better: the mean over the members of the feature.
    # A channel without a value (such as `analogs` without reference spectra) is absent.
    evidence: Mapping[str, float] = field(default_factory=dict)
    probability: float | None = None  # calibrated, that this is the molecule; None: `glmr` gives none


@dataclass(frozen=True, slots=True)
class Confidence:
    """Probabilities about rank 1 of a list, calibrated on molecules that training never saw."""

    p_right: float  # the first candidate is the molecule
    p_close: float  # the first candidate's Tanimoto similarity to the molecule is at least 0.6
    p_absent: float  # the molecule is not among the candidates
    abstains: bool  # "none of these" is the better answer


@dataclass(frozen=True, slots=True)
class CannotAnnotate:
    """The input cannot be annotated, and trying again will not help."""

    code: str  # stable, for programs: "no_precursor"
    reason: str  # for people: what is wrong and how to fix it


@dataclass(frozen=True, slots=True)
class MemberOutcome:
    """What one spectrum of a feature contributes to its result.

    The mappings have the keys of the feature's candidates. They are empty for the only member of a feature,
    because its values are those of the feature's candidates, and without probabilities (`glmr`).
    """

    index: int  # in `Feature.members`
    failure: CannotAnnotate | None = None  # why this spectrum is left out; None: it takes part
    p_right: float | None = None  # probability of the feature's rank 1, by this member alone
    p_absent: float | None = None  # that the molecule is not among the candidates, by this member alone
    top_key: int | None = None  # the candidate that this member alone ranks first
    top_probability: float | None = None
    probabilities: Mapping[int, float] = field(default_factory=dict)  # of each candidate, by this member
    # Raw value of each evidence channel of each candidate, as `RankedCandidate.evidence`, and the
    # "embedding_similarity" of this member.
    evidence: Mapping[int, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FormulaCandidate:
    """A molecular formula within the precursor tolerance, ranked without the library."""

    rank: int  # 1 is best
    formula: str  # of the neutral molecule, Hill order
    mass_error_ppm: float  # (measured - theoretical) / theoretical, at the precursor's m/z
    n_explained_peaks: int
    explained_intensity: float  # share of the summed square root intensity of the peaks read, 0 to 1
    isotope_similarity: float | None  # 0 to 1; None without an isotope pattern
    probability: float  # calibrated, that this is the formula


@dataclass(frozen=True, slots=True)
class Annotated:
    """The result for one feature, whose candidates all members have ranked together."""

    adduct: str
    adduct_assumed: bool
    neutral_mass: float
    n_in_window: int
    candidates: tuple[RankedCandidate, ...]
    generated: tuple[GeneratedMolecule, ...]
    timings_s: Mapping[str, float]  # this feature's share of each stage of its batch
    confidence: Confidence | None = None  # None: `glmr` gives none
    members: tuple[MemberOutcome, ...] = ()  # one for each member, in order
    formulas: tuple[FormulaCandidate, ...] = ()  # by rank
    formula_note: str = ""  # for people: what limited the search for formulas


@dataclass(frozen=True, slots=True)
class NoMatch:
    """No library molecule has the mass of the feature. An answer, not an error."""

    adduct: str
    adduct_assumed: bool
    neutral_mass: float  # Da
    tolerance_da: float  # half width of the searched window, of the neutral mass
    reason: str  # for people: what was searched, and what they can do
    generated: tuple[GeneratedMolecule, ...]  # from the spectrum alone, as no candidate helps the decoder
    timings_s: Mapping[str, float]  # this feature's share of each stage of its batch
    members: tuple[MemberOutcome, ...] = ()  # one for each member, in order
    formulas: tuple[FormulaCandidate, ...] = ()  # by rank
    formula_note: str = ""  # for people: what limited the search for formulas
    code: str = "no_candidates"  # stable, for programs


# CannotAnnotate is a problem of the input.
Outcome = Annotated | NoMatch | CannotAnnotate
