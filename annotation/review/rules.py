"""The rules of a valid verdict: the fields that each decision needs and the evidence that a level needs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from annotation.plain_text import LONGEST_SMILES, LONGEST_TEXT
from annotation.results.models import Annotation, Candidate
from annotation.review.models import Verdict
from models_ml.molecules.standardise import canonical_smiles

Decision = Verdict.Decision
Level = Verdict.Level

# Levels with evidence beyond computed ranks: good enough to compare other spectra with this one.
REFERENCE_LEVELS = (Level.L1, Level.L2A, Level.L2B)
NAMES_A_STRUCTURE = (Decision.ACCEPT, Decision.CHOOSE, Decision.PROPOSE)
# Computed ranks alone never give more than level 3 (Schymanski et al. 2014). A better level needs further
# evidence, stated in the reason. These patterns check that it is stated, not that it is true.
STANDARD = re.compile(r"\bstandards?\b", re.IGNORECASE)
RETENTION_TIME = re.compile(r"\b(rt|retention)\b", re.IGNORECASE)
_ID_RUN = re.compile(r"[\w:.-]{5,}")
_ID_START = re.compile(r"(?<![\w-])[A-Za-z]")


class InvalidVerdict(Exception):
    """`errors` holds a text for each invalid field: what is wrong and how to fix it."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Proposal:
    """A verdict as the curator entered it."""

    decision: str
    level: str
    candidate: Candidate | None
    proposed_smiles: str
    reason: str
    comment: str
    as_reference: bool = False


def validate(proposal: Proposal, annotation: Annotation, candidates: Sequence[Candidate]) -> Proposal:
    """The proposal with its defaults filled in (rank 1 for accept, the level). Raises `InvalidVerdict`."""
    if proposal.decision not in Decision.values:
        raise InvalidVerdict({"decision": f"Must be one of {', '.join(Decision.values)}."})
    proposal = _with_defaults(proposal, annotation, candidates)
    if errors := _text_errors(proposal):
        raise InvalidVerdict(errors)  # before anything searches the texts
    errors = {
        **_structure_errors(proposal, candidates),
        **_level_errors(proposal),
        **_reference_errors(proposal),
    }
    if proposal.decision != Decision.ACCEPT and not proposal.reason:
        errors.setdefault("reason", "Give a reason: this verdict differs from rank 1.")
    if errors:
        raise InvalidVerdict(errors)
    return proposal


def _with_defaults(proposal: Proposal, annotation: Annotation, candidates: Sequence[Candidate]) -> Proposal:
    candidate = proposal.candidate
    if candidate is None and proposal.decision == Decision.ACCEPT and candidates:
        candidate = candidates[0]
    level = proposal.level
    if not level and proposal.decision in NAMES_A_STRUCTURE:
        # Another structure than rank 1 is tentative until evidence is stated.
        accepted = proposal.decision == Decision.ACCEPT and annotation.proposed_level in Level.values
        level = annotation.proposed_level if accepted else Level.L3
    return replace(
        proposal,
        candidate=candidate,
        level=level,
        proposed_smiles=proposal.proposed_smiles.strip(),
        reason=proposal.reason.strip(),
        comment=proposal.comment.strip(),
    )


def _text_errors(proposal: Proposal) -> dict[str, str]:
    errors = {}
    limits = {"reason": LONGEST_TEXT, "comment": LONGEST_TEXT, "proposed_smiles": LONGEST_SMILES}
    for name, limit in limits.items():
        text = getattr(proposal, name)
        if len(text) > limit:
            errors[name] = f"At most {limit:,} characters; this has {len(text):,}."
        elif "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
            errors[name] = "Contains a character that is not text, such as NUL. Remove it."
    return errors


def _structure_errors(proposal: Proposal, candidates: Sequence[Candidate]) -> dict[str, str]:
    errors = {}
    known = {candidate.pk: candidate.rank for candidate in candidates}
    rank = known.get(proposal.candidate.pk) if proposal.candidate else None
    if proposal.candidate is not None and rank is None:
        errors["candidate"] = "Not a candidate of this annotation. Choose one from its list."
    elif proposal.decision == Decision.ACCEPT and rank != 1:
        errors["candidate"] = (
            "The decision 'accept' means rank 1, but there are no candidates. Use another decision."
        )
        if candidates:
            errors["candidate"] = "The decision 'accept' means rank 1. For another rank, use 'choose'."
    elif proposal.decision == Decision.CHOOSE and (rank is None or rank == 1):
        errors["candidate"] = "Name a candidate of rank 2 or higher. For rank 1, use 'accept'."
    elif proposal.decision not in NAMES_A_STRUCTURE and proposal.candidate is not None:
        errors["candidate"] = f"The decision {proposal.decision!r} takes no candidate. Leave it out."
    if proposal.decision == Decision.PROPOSE:
        if proposal.candidate is not None:
            errors["candidate"] = "The decision 'propose' takes no candidate. Leave it out."
        if canonical_smiles(proposal.proposed_smiles) is None:
            errors["proposed_smiles"] = "Not a valid structure. Enter one valid SMILES."
    elif proposal.proposed_smiles:
        errors["proposed_smiles"] = "Only the decision 'propose' takes a SMILES. Leave it out."
    return errors


def _reference_errors(proposal: Proposal) -> dict[str, str]:
    if not proposal.as_reference:
        return {}
    if proposal.decision not in NAMES_A_STRUCTURE or proposal.level not in REFERENCE_LEVELS:
        return {
            "as_reference": "Only a structure at level 1, 2a or 2b can be a reference. Give the level with "
            "its evidence, or leave this out."
        }
    return {}


def names_reference(text: str) -> bool:
    """Whether the text has the ID of a spectrum: five or more characters from a letter on, with a digit.

    The first possible start in a run of characters gives the longest ID, so no other is tried: linear time.
    """
    for run in _ID_RUN.finditer(text):
        start = _ID_START.search(run[0])
        if start is not None:
            name = run[0][start.start() :]
            if len(name) >= 5 and any(character.isdecimal() for character in name):
                return True
    return False


def _level_errors(proposal: Proposal) -> dict[str, str]:
    level, reason = proposal.level, proposal.reason
    if level and level not in Level.values:
        return {"level": f"Must be one of {', '.join(Level.values)}."}
    if proposal.decision not in NAMES_A_STRUCTURE:
        if level and level not in (Level.L4, Level.L5):
            return {
                "level": "Without a structure, the level can only be 4 (formula), 5 (exact mass) or empty."
            }
        return {}
    if level == Level.L1 and not (STANDARD.search(reason) and RETENTION_TIME.search(reason)):
        return {
            "reason": "Level 1 needs a reference standard and its retention time. State both in the reason."
        }
    if level == Level.L2A and not names_reference(reason):
        return {
            "reason": "Level 2a needs a reference spectrum. State its ID (MSBNK-…) or SPLASH in the reason."
        }
    if level == Level.L2B and not reason:
        return {"reason": "Level 2b needs diagnostic evidence. State it in the reason."}
    return {}
