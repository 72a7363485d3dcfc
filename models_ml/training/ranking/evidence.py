"""What the channels say of training spectra's candidates: the ranker's training data. Needs RDKit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models_ml.evidence.analog_votes import AnalogVotes, analog_votes
from models_ml.evidence.analogs import ReferenceIndex
from models_ml.networks.fingerprint_head import FingerprintHead
from models_ml.ranking.features import ListEvidence, Scores
from models_ml.spectra.features import ADDUCT_PLACES
from models_ml.training.arrays import CompoundFolds, MoleculeArrays, SpectrumArrays
from models_ml.training.ranking.fingerprint_heads import SpectrumTokens, predict_bits
from models_ml.training.run import load_network, load_state
from models_ml.training.validation import WINDOW_PPM, embed_spectrum_rows
from models_ml.training.vectors import MassSorted, molecule_vectors

ADDUCT_OF_PLACE = {place: notation for notation, place in ADDUCT_PLACES.items()} | {0: "[M+H]+", 1: "[M-H]-"}


@dataclass(frozen=True, slots=True, eq=False)
class CandidateList:
    """One spectrum with its window of the library."""

    spectrum: int
    candidates: NDArray[np.int64]  # library rows
    truth: int  # place among them


@dataclass(frozen=True, slots=True, eq=False)
class Pools:
    """The prepared arrays of one run."""

    spectra: SpectrumArrays
    compounds: MoleculeArrays
    library: MoleculeArrays
    folds: NDArray[np.int64]
    own: NDArray[np.int64]  # library row of each compound

    @classmethod
    def load(cls, data: Path) -> Pools:
        compounds = MoleculeArrays.load(data / "train_compounds.npz")
        library = MoleculeArrays.load(data / "pretrain.npz")
        row_of = {smiles: row for row, smiles in enumerate(library.smiles)}
        return cls(
            spectra=SpectrumArrays.load(data / "train_spectra.npz"),
            compounds=compounds,
            library=library,
            folds=CompoundFolds.load(data / "folds.npz").fold,
            own=np.array([row_of[smiles] for smiles in compounds.smiles]),
        )

    def bits(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Morgan bits of library molecules, (n, 2048)."""
        return np.unpackbits(self.library.fingerprints[rows], axis=1).astype(np.float32)

    def references(self, rows: NDArray[np.int64]) -> ReferenceIndex:
        """The training spectra in `rows` as references of their compounds."""
        compounds = self.spectra.compound[rows]
        return ReferenceIndex(
            [self.spectra.features(int(row)) for row in rows],
            self.compounds.fingerprints[compounds],
            [str(compound) for compound in compounds],
        )

    def lists(self, rows: NDArray[np.int64]) -> list[CandidateList]:
        """In the order of mass, so that spectra with the same candidates meet in the caches of fragments."""
        rows = rows[np.argsort(self.spectra.neutral_mass[rows], kind="stable")]
        by_mass = MassSorted.of(self.library.exact_mass)
        found: list[CandidateList] = []
        for row in rows:
            truth = self.own[self.spectra.compound[row]]
            tolerance = self.spectra.precursor_mz[row] * WINDOW_PPM * 1e-6
            window = by_mass.window(self.spectra.neutral_mass[row], tolerance)
            window = np.unique(np.append(window, truth))
            found.append(CandidateList(int(row), window, int(np.searchsorted(window, truth))))
        return found


def fingerprint_evidence(
    evidence: Sequence[ListEvidence],
    pools: Pools,
    lists: Sequence[CandidateList],
    heads: Sequence[FingerprintHead],
    tokens: SpectrumTokens,
) -> list[ListEvidence]:
    """The heads' channel added: of all channels the only one that a blind ranker has."""
    rows = np.array([one.spectrum for one in lists])
    log_odds = np.mean([predict_bits(head, tokens, rows) for head in heads], axis=0)
    return [
        replace(said, fingerprint=pools.bits(one.candidates) @ row)
        for said, one, row in zip(evidence, lists, log_odds, strict=True)
    ]


def fixed_evidence(
    pools: Pools, lists: Sequence[CandidateList], run: Path, shown: NDArray[np.int64]
) -> list[ListEvidence]:
    """The channels that no seed changes: contrastive similarity, and analogs among the spectra in `shown`."""
    rows = np.array([one.spectrum for one in lists])
    network = load_network(run / "contrastive.pt")
    source = Path(load_state(run / "contrastive.pt")["settings"]["source"])
    embedded = embed_spectrum_rows(network, pools.spectra, rows, "cpu")
    vectors = molecule_vectors(network, np.load(source / "library_pooled.npy"), device="cpu")
    references = pools.references(shown)
    return [
        ListEvidence(
            n_candidates=len(one.candidates),
            contrastive=vectors[one.candidates] @ vector,
            analogs=analog_votes(
                references, pools.spectra.features(one.spectrum), pools.library.fingerprints[one.candidates]
            ),
        )
        for one, vector in zip(tqdm(lists, "analogs"), embedded, strict=True)
    ]


def without_candidate(evidence: ListEvidence, place: int) -> ListEvidence:
    """The list after its candidate at `place` was deleted."""
    keep = np.arange(evidence.n_candidates) != place

    def cut(scores: Scores | None) -> Scores | None:
        return None if scores is None else scores[keep]

    analogs = evidence.analogs
    return ListEvidence(
        fingerprint=cut(evidence.fingerprint),
        contrastive=cut(evidence.contrastive),
        fragments=cut(evidence.fragments),
        unexplained=cut(evidence.unexplained),
        possible=cut(evidence.possible),
        predicted=cut(evidence.predicted),
        likelihood=cut(evidence.likelihood),
        analogs=None if analogs is None else AnalogVotes(analogs.votes[keep], analogs.strengths),
        n_candidates=evidence.n_candidates - 1,
    )
