"""What goes into `annotate` and what comes out: plain frozen values, shared across the torch border."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Embedding = NDArray[np.float32]


# How candidates are ranked: `glmr` by what the paper describes, `fused` by all evidence together.
METHODS = ("fused", "glmr")
# What `glmr` orders its candidates by: `generated` as in the paper, `blend` by retrieval and generation.
RERANKS = ("blend", "generated")


@dataclass(frozen=True, slots=True)
class AnnotateParams:
    """Everything that changes a result, apart from the spectrum, the model and the library.

    Stored with each annotation; two runs with equal parameters and equal pins give equal ranks.
    """

    method: str = "fused"  # one of METHODS
    precursor_tolerance_ppm: float = 10.0
    n_candidates: int = 40  # K: the paper finds that recall saturates beyond
    beam_size: int = 5
    max_tokens: int = 128
    seed: int = 0
    # Ablations
    generate: bool = True  # False: no decoder, candidates stay in retrieval's order
    use_candidates: bool = True  # False: the decoder's memory is made of the spectrum alone
    without_channel: str = ""  # one of the fused ranking's, which then has nothing to say
    # Generation: measured by `python -m models_ml.evaluate.generation`
    syntax_constraint: bool = True  # only tokens after which the SMILES can still be closed
    # Nats that a beam's place loses for each e-fold by which its mass is off beyond the tolerance; 0: none
    mass_constraint: float = 0.1
    rerank: str = "blend"  # one of RERANKS
    rerank_weight: float = 0.15  # of the generated similarity in `blend`, best on validation spectra
    # Adduct taken for a spectrum that names none, by ion mode; empty: such a spectrum fails with a
    # reason. Never filled in silently: the result says that the adduct was assumed.
    assumed_adducts: Mapping[str, str] = field(default_factory=dict)  # {"positive": "[M+H]+"}


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """One spectrum's question to the candidate library: molecules in a mass window, nearest first."""

    embedding: Embedding  # (D,), unit length
    neutral_mass: float  # Da
    tolerance_da: float  # half width of the window, from the precursor tolerance in ppm of the m/z


@dataclass(frozen=True, slots=True, eq=False)
class RetrievedMolecule:
    """A candidate of the pre-retrieval, with the stored embedding so that nothing is encoded twice."""

    key: int  # the caller's identifier: a database id, or a row of an in-memory index
    smiles: str  # canonical, stereo-free
    inchikey_first_block: str
    formula: str
    exact_mass: float  # Da, neutral, monoisotopic
    embedding: Embedding  # (D,), unit length, of the molecule encoder
    embedding_similarity: float  # cosine of spectrum and molecule, the pre-retrieval's order
    fingerprint: bytes = b""  # Morgan bits packed as by `morgan_fingerprint`; empty: the index has none


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Answer to one `Query`: at most K molecules, most similar first, ties by key."""

    molecules: tuple[RetrievedMolecule, ...]
    n_in_window: int  # how many molecules of the library the mass window holds


# One call answers a whole batch, so that the database is asked once and not once a spectrum.
Retrieve = Callable[[Sequence[Query], int], Sequence[Retrieved]]  # (queries, k)
# Which of these InChIKey first blocks the whole searched library holds; asked once a batch.
FindKnown = Callable[[Sequence[str]], Set[str]]


@dataclass(frozen=True, slots=True)
class GeneratedMolecule:
    """One beam of the decoder. An invalid string is kept: it is evidence of how the model does."""

    beam_rank: int  # 1 is the most likely
    text: str  # as generated
    log_likelihood: float  # summed over tokens, natural log, no length normalisation
    smiles: str = ""  # canonical, stereo-free; empty if the text is no molecule
    inchikey_first_block: str = ""
    formula: str = ""
    exact_mass: float | None = None
    mass_error_ppm: float | None = None  # against the precursor
    in_library: bool = False  # among the molecules that the searched library holds
    # Outside the library and of the precursor's mass: a proposal, shown apart and never ranked.
    is_proposed: bool = False

    @property
    def is_valid(self) -> bool:
        return bool(self.smiles)


@dataclass(frozen=True, slots=True)
class RankedCandidate:
    """A candidate in its final place, each score by its own name."""

    rank: int  # 1 is best
    key: int
    smiles: str
    inchikey_first_block: str
    formula: str
    exact_mass: float
    mass_error_ppm: float  # (measured - theoretical) / theoretical, at the precursor's m/z
    retrieval_rank: int
    embedding_similarity: float  # spectrum against molecule, cosine
    generated_similarity: float | None  # molecule against generated molecules; None: none was valid
    # Every further channel's raw score by its name, larger is better; a channel that had nothing to
    # say of this spectrum (no reference spectra, say) is not there.
    evidence: Mapping[str, float] = field(default_factory=dict)
    probability: float | None = None  # calibrated, that this is the molecule; None: the method gives none


@dataclass(frozen=True, slots=True)
class Confidence:
    """How far to trust the first rank. Probabilities, calibrated on molecules that training never saw."""

    p_right: float  # the first candidate is the molecule
    p_close: float  # the first candidate's Tanimoto similarity to the molecule is at least 0.6
    p_absent: float  # the molecule is not among the candidates
    abstains: bool  # "none of these" is the better answer


@dataclass(frozen=True, slots=True)
class Annotated:
    """The whole answer for one spectrum."""

    adduct: str
    adduct_assumed: bool
    neutral_mass: float
    n_in_window: int
    candidates: tuple[RankedCandidate, ...]
    generated: tuple[GeneratedMolecule, ...]
    timings_s: Mapping[str, float]  # this spectrum's share of each stage of its batch
    confidence: Confidence | None = None  # None: the method gives none


@dataclass(frozen=True, slots=True)
class CannotAnnotate:
    """This spectrum has no answer, now or ever: why, and what would mend it."""

    code: str  # a stable word, "no_precursor"
    reason: str  # a sentence that says what is wrong and how to mend it


Outcome = Annotated | CannotAnnotate
