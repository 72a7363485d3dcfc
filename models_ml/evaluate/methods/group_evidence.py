"""The evidence of groups of spectra: by all members on one candidate list, and by each spectrum alone.

The functions are those of `annotate`. Evidence is kept apart from the rules that pool it, so that rules are
compared in seconds, and stored in a cache, so that an interrupted evaluation goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models_ml.evaluate.groups import Group
from models_ml.evaluate.methods.context import MethodContext
from models_ml.evidence.analog_votes import N_VOTES, AnalogVotes
from models_ml.inference.annotate import embed_spectra, preprocess, retrieve_candidates
from models_ml.inference.feature_work import FeatureWork, MemberWork
from models_ml.inference.memory_index import nearest_molecules
from models_ml.outcomes import Query, Retrieved
from models_ml.ranking.features import ListEvidence
from models_ml.ranking.fuse import MemberList, RankingWork, collect_evidence
from models_ml.ranking.model import RankingModel

GROUPS_PER_FILE = 32
_SCORES = ("fingerprint", "contrastive", "fragments", "unexplained", "possible", "predicted", "likelihood")


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceList:
    """One candidate list, with the evidence of each spectrum that ranks it."""

    keys: NDArray[np.int64]  # (C,) of library molecules, in the order of retrieval
    evidence: tuple[ListEvidence, ...]  # one for each spectrum

    def only(self, kept: NDArray[np.bool_]) -> EvidenceList:
        """Without the candidates that `kept` (C,) leaves out."""
        return EvidenceList(self.keys[kept], tuple(_take(one, np.flatnonzero(kept)) for one in self.evidence))


@dataclass(frozen=True, slots=True, eq=False)
class GroupEvidence:
    together: EvidenceList  # of all members
    alone: tuple[EvidenceList, ...]  # of each member, on the candidates that it retrieves itself


def collect_groups(
    groups: Sequence[Group], context: MethodContext, cache: Path | None, name: str
) -> list[GroupEvidence]:
    """Evidence of each group. `cache`: folder that keeps it by the hash of everything that it depends on."""
    context.embeddings([case for group in groups for case in group.cases])
    found: list[GroupEvidence] = []
    for start in tqdm(range(0, len(groups), GROUPS_PER_FILE), name):
        chunk = groups[start : start + GROUPS_PER_FILE]
        file = cache / f"groups-{_identity(chunk, context)}.npz" if cache else None
        if file is not None and file.exists():
            found += _load(file)
            continue
        collected = _collect(chunk, context)
        if file is not None:
            _save(file, collected)
        found += collected
    return found


def _collect(groups: Sequence[Group], context: MethodContext) -> list[GroupEvidence]:
    ranking = _ranking_of(context)
    works = [FeatureWork.of(group.feature) for group in groups]
    preprocess(works, context.model, context.params)
    embed_spectra(works, context.model)
    by_group = iter(groups)
    retrieve_candidates(
        works, lambda queries, k: [_nearest(query, next(by_group).keys, context) for query in queries],
        context.params,
    )  # fmt: skip
    return [_evidence_of(group, work, ranking, context) for group, work in zip(groups, works, strict=True)]


def _ranking_of(context: MethodContext) -> RankingModel:
    if context.model.ranking is None:
        raise ValueError("Groups are ranked by `fused`, and this checkpoint has no fused ranking.")
    return context.model.ranking


def _nearest(query: Query, keys: NDArray[np.int64], context: MethodContext) -> Retrieved:
    return nearest_molecules(
        keys, query.embedding, context.library.molecules, context.vectors.values, context.params.n_candidates
    )


def _evidence_of(
    group: Group, work: FeatureWork, ranking: RankingModel, context: MethodContext
) -> GroupEvidence:
    together = _collected(work.members, work.retrieved, ranking, context)
    position = {key: index for index, key in enumerate(together.keys.tolist())}
    alone: list[EvidenceList] = []
    for case, member, evidence in zip(group.cases, work.members, together.evidence, strict=True):
        window = member.prepared.window
        query = window.query(member.embedding)
        own = _nearest(query, case.keys, context)
        order = [position.get(molecule.key) for molecule in own.molecules]
        if None in order or not _has_own_precursor(case.spectrum.precursor_mz, window.precursor_mz):
            alone.append(_collected([member], own, ranking, context))
        else:  # the evidence of a candidate does not depend on the rest of the list
            keys = np.array([molecule.key for molecule in own.molecules], np.int64)
            alone.append(EvidenceList(keys, (_take(evidence, np.array(order, np.int64)),)))
    return GroupEvidence(together, tuple(alone))


def _has_own_precursor(own: float | None, of_group: float) -> bool:
    return own == of_group


def _collected(
    members: Sequence[MemberWork], retrieved: Retrieved, ranking: RankingModel, context: MethodContext
) -> EvidenceList:
    lists = [MemberList(index, member.prepared, member.embedding) for index, member in enumerate(members)]
    collect_evidence([RankingWork(lists, retrieved, ())], ranking, context.references)
    keys = np.array([molecule.key for molecule in retrieved.molecules], np.int64)
    return EvidenceList(keys, tuple(one.evidence for one in lists))


def _take(evidence: ListEvidence, indices: NDArray[np.int64]) -> ListEvidence:
    scores = {name: getattr(evidence, name) for name in _SCORES}
    taken = {name: None if score is None else score[indices] for name, score in scores.items()}
    analogs = evidence.analogs
    if analogs is not None:
        analogs = replace(analogs, votes=analogs.votes[indices])
    return ListEvidence(len(indices), **taken, analogs=analogs)


def _identity(groups: Sequence[Group], context: MethodContext) -> str:
    ranking = _ranking_of(context)
    digest = hashlib.sha256(f"{context.model.sha256} {ranking.sha256} {context.library.name}".encode())
    digest.update(f"{context.params.n_candidates} {context.params.precursor_tolerance_ppm}".encode())
    if context.references is not None:
        digest.update(context.references.fingerprints.tobytes())
    for group in groups:
        digest.update(f"{len(group.cases)} {group.representative}".encode())
        for case in group.cases:
            spectrum = case.spectrum
            digest.update(f"{spectrum.precursor_mz} {spectrum.adduct} {spectrum.collision_energy}".encode())
            for array in (spectrum.mz, spectrum.intensity, case.keys):
                digest.update(array.tobytes())
    return digest.hexdigest()[:24]


def _save(path: Path, groups: Sequence[GroupEvidence]) -> None:
    lists = [evidence_list for group in groups for evidence_list in (group.together, *group.alone)]
    evidence = [(one, evidence_list) for evidence_list in lists for one in evidence_list.evidence]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        n_members=np.array([len(group.alone) for group in groups]),
        n_candidates=np.array([len(evidence_list.keys) for evidence_list in lists]),
        keys=np.concatenate([evidence_list.keys for evidence_list in lists]),
        columns=np.concatenate([_columns(one) for one, _ in evidence]),
        strengths=np.stack([_strengths(one) for one, _ in evidence]),
    )
    partial.replace(path)


def _load(path: Path) -> list[GroupEvidence]:
    with np.load(path, allow_pickle=False) as stored:
        counts = iter(stored["n_candidates"].tolist())
        strengths = iter(stored["strengths"])
        keys, columns, n_members = stored["keys"], stored["columns"], stored["n_members"].tolist()
    at = {"keys": 0, "columns": 0}

    def take(array: NDArray[np.generic], name: str, n: int) -> NDArray[np.generic]:
        start, at[name] = at[name], at[name] + n
        return array[start : at[name]]

    def evidence_list(n_spectra: int) -> EvidenceList:
        n = next(counts)
        listed = take(keys, "keys", n)
        return EvidenceList(
            listed.astype(np.int64),
            tuple(
                _from_columns(take(columns, "columns", n).astype(np.float32), next(strengths))
                for _ in range(n_spectra)
            ),
        )

    return [GroupEvidence(evidence_list(n), tuple(evidence_list(1) for _ in range(n))) for n in n_members]


def _columns(evidence: ListEvidence) -> NDArray[np.float32]:
    """(C, 7 + N_VOTES); NaN for a channel without a value."""
    columns = np.full((evidence.n_candidates, len(_SCORES) + N_VOTES), np.nan, np.float32)
    for column, name in enumerate(_SCORES):
        score = getattr(evidence, name)
        if score is not None:
            columns[:, column] = score
    if evidence.analogs is not None:
        columns[:, len(_SCORES) :] = evidence.analogs.votes
    return columns


def _strengths(evidence: ListEvidence) -> NDArray[np.float32]:
    return np.full(3, np.nan, np.float32) if evidence.analogs is None else evidence.analogs.strengths


def _from_columns(columns: NDArray[np.float32], strengths: NDArray[np.float32]) -> ListEvidence:
    scores = {name: columns[:, column] for column, name in enumerate(_SCORES)}
    known = {name: score for name, score in scores.items() if not np.isnan(score).any()}
    analogs = None if np.isnan(strengths).any() else AnalogVotes(columns[:, len(_SCORES) :], strengths)
    return ListEvidence(len(columns), **known, analogs=analogs)
