"""Drawings of similar structures that can be compared: the shared part in one place, the rest marked.

A page shows a list of structures that are aligned to the first one, each as a separate picture, drawn by a
web process. So the searches for one such list share a budget.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from rdkit import Chem
from rdkit.Chem import rdDepictor, rdFMCS

# Pairs of candidates need some 10 ms; symmetric polycycles can need hours.
PAIR_S = 0.1
# Of all searches for drawings that are aligned to the same structure, in WINDOW_S of each process.
LIST_S = 0.3
WINDOW_S = 60.0
_MAX_REMEMBERED = 4_000
_MAX_LISTS = 1_000
_MAX_ATOMS = 80  # larger structures are not searched
# A smaller common part would turn the drawing without a use.
_MIN_SHARED = 5
_MAX_MARKED = 0.6  # share of atoms. More would mark nearly everything, which compares nothing.


@dataclass(frozen=True, slots=True)
class Aligned:
    """`differing` are the atoms outside the common part; none if both are equal or little is common."""

    mol: Chem.Mol  # with coordinates
    differing: tuple[int, ...]
    in_time: bool = True  # False: the search for the common part was stopped, or had no time left
    is_final: bool = True  # False: a later call may have the time


@dataclass(frozen=True, slots=True)
class _CommonPart:
    pattern: Chem.Mol | None  # None: too small, too large to search, or not found in time
    in_time: bool = True


def align(mol: Chem.Mol, like: Chem.Mol) -> Aligned:
    """A copy of `mol` with coordinates that follow those of `like`, and its atoms outside the common part.

    The common part is the largest that RDKit finds within PAIR_S, and within what is left of LIST_S.
    Coordinates of `like` depend on its SMILES alone, so drawings aligned to it agree.
    """
    drawn = Chem.Mol(mol)
    common = _common_part(Chem.MolToSmiles(mol), Chem.MolToSmiles(like))
    if common is None or common.pattern is None:
        rdDepictor.Compute2DCoords(drawn, canonOrient=True)
        return Aligned(drawn, (), common is not None and common.in_time, common is not None)
    template = Chem.Mol(like)
    rdDepictor.Compute2DCoords(template, canonOrient=True)
    here, there = mol.GetSubstructMatch(common.pattern), like.GetSubstructMatch(common.pattern)
    rdDepictor.GenerateDepictionMatching2DStructure(drawn, template, list(zip(there, here, strict=True)))
    shared = set(here)
    differing = tuple(index for index in range(mol.GetNumAtoms()) if index not in shared)
    return Aligned(drawn, differing if len(differing) <= _MAX_MARKED * mol.GetNumAtoms() else ())


def forget() -> None:
    """Forget all common parts and what was spent on them. For tests and measurements."""
    with _lock:
        _known.clear()
        _spent.clear()


_lock = threading.Lock()
_known: OrderedDict[tuple[str, str], _CommonPart] = OrderedDict()
# By the SMILES to which drawings are aligned: the start of its window, and the seconds that are spent in it.
_spent: OrderedDict[str, tuple[float, float]] = OrderedDict()


def _common_part(smiles: str, like: str) -> _CommonPart | None:
    """None if there was no time for a whole search; such an answer is not remembered."""
    key = (smiles, like)
    with _lock:
        if (known := _known.get(key)) is not None:
            _known.move_to_end(key)
            return known
        seconds = _reserve(like)
    started = time.monotonic()
    common = _search(smiles, like, seconds) if seconds else None
    with _lock:
        begun, spent = _spent[like]
        _spent[like] = (begun, spent - seconds + min(seconds, time.monotonic() - started))
        if common is None or not (common.in_time or seconds >= PAIR_S):
            return None
        _known[key] = common
        if len(_known) > _MAX_REMEMBERED:
            _known.popitem(last=False)
    return common


def _reserve(like: str) -> float:
    """Take up to PAIR_S of the budget, so that searches of several threads do not exceed it together."""
    now = time.monotonic()
    begun, spent = _spent.pop(like, (now, 0.0))
    if now - begun > WINDOW_S:
        begun, spent = now, 0.0
    seconds = max(0.0, min(PAIR_S, LIST_S - spent))
    _spent[like] = (begun, spent + seconds)
    if len(_spent) > _MAX_LISTS:
        _spent.popitem(last=False)
    return seconds


def _search(smiles: str, like: str, seconds: float) -> _CommonPart:
    """Whole rings only, so that a marked difference is a group and not half a ring."""
    mols = [Chem.MolFromSmiles(text) for text in (smiles, like)]
    if any(mol is None or mol.GetNumAtoms() > _MAX_ATOMS for mol in mols):
        return _CommonPart(None)
    parameters = rdFMCS.MCSParameters()
    for compared in (parameters.AtomCompareParameters, parameters.BondCompareParameters):
        compared.RingMatchesRingOnly = compared.CompleteRingsOnly = True
    parameters.Timeout = 1  # in whole seconds, should RDKit not ask for so long
    deadline = _Deadline(time.monotonic() + seconds)
    parameters.ProgressCallback = deadline
    found = rdFMCS.FindMCS(mols, parameters)
    if found.canceled:
        return _CommonPart(None, in_time=False)
    return _CommonPart(found.queryMol if found.numAtoms >= _MIN_SHARED else None)


class _Deadline(rdFMCS.MCSProgress):  # type: ignore[misc]  # RDKit has no types
    """Stops the search once the time is over. RDKit asks it every few milliseconds."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at

    def __call__(self, stat: object, parameters: object) -> bool:
        return time.monotonic() < self.at
