"""What makes a verdict valid: which fields each decision needs, and the evidence behind each level."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from annotation.results.models import Annotation, Candidate
from annotation.review.models import Verdict
from models_ml.molecules.standardise import canonical_smiles

Decision = Verdict.Decision
Level = Verdict.Level

# Levels with evidence beyond a machine's rank: good enough to let other spectra be judged by this one.
REFERENCE_LEVELS = (Level.L1, Level.L2A, Level.L2B)
NAMES_A_STRUCTURE = (Decision.ACCEPT, Decision.CHOOSE, Decision.PROPOSE)
LONGEST_TEXT = 10_000
# A machine's rank alone never reaches beyond level 3 (Schymanski et al. 2014), so a better level
# must say what else there is. These look for the words, not for their truth.
STANDARD = re.compile(r"\bstandards?\b", re.IGNORECASE)
RETENTION_TIME = re.compile(r"\b(rt|retention)\b", re.IGNORECASE)
REFERENCE_ID = re.compile(r"(?<![\w-])(?=[\w:.-]*\d)[A-Za-z][\w:.-]{4,}")


class InvalidVerdict(Exception):
    """`errors` names each field that is wrong, with a sentence that says how to mend it."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Proposal:
    """A verdict as it was asked for."""

    decision: str
    level: str
    candidate: Candidate | None
    proposed_smiles: str
    reason: str
    comment: str
    as_reference: bool = False


def checked(proposal: Proposal, annotation: Annotation, candidates: Sequence[Candidate]) -> Proposal:
    """The proposal with its blanks filled (rank 1 for accept, the level); `InvalidVerdict` otherwise."""
    if proposal.decision not in Decision.values:
        raise InvalidVerdict({"decision": f"Must be one of {', '.join(Decision.values)}."})
    proposal = _filled(proposal, annotation, candidates)
    errors = {
        **_text_errors(proposal),
        **_structure_errors(proposal, candidates),
        **_level_errors(proposal),
        **_reference_errors(proposal),
    }
    if proposal.decision != Decision.ACCEPT and not proposal.reason:
        errors.setdefault("reason", "Say why: this verdict departs from the machine's answer.")
    if errors:
        raise InvalidVerdict(errors)
    return proposal


def _filled(proposal: Proposal, annotation: Annotation, candidates: Sequence[Candidate]) -> Proposal:
    candidate = proposal.candidate
    if candidate is None and proposal.decision == Decision.ACCEPT and candidates:
        candidate = candidates[0]
    level = proposal.level
    if not level and proposal.decision in NAMES_A_STRUCTURE:
        # What a curator chose or drew is again no better than tentative until evidence is stated.
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
    for name in ("reason", "comment", "proposed_smiles"):
        text = getattr(proposal, name)
        if len(text) > LONGEST_TEXT:
            errors[name] = f"At most {LONGEST_TEXT:,} characters; this has {len(text):,}."
        elif "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
            errors[name] = "Contains a character that is not text. Paste it again without it."
    return errors


def _structure_errors(proposal: Proposal, candidates: Sequence[Candidate]) -> dict[str, str]:
    errors = {}
    known = {candidate.pk: candidate.rank for candidate in candidates}
    rank = known.get(proposal.candidate.pk) if proposal.candidate else None
    if proposal.candidate is not None and rank is None:
        errors["candidate"] = "Not a candidate of this annotation. Choose one from its list."
    elif proposal.decision == Decision.ACCEPT and rank != 1:
        errors["candidate"] = "Accept means rank 1, and there is none; choose another decision."
        if candidates:
            errors["candidate"] = "Accept means rank 1. To take another rank, use the decision 'choose'."
    elif proposal.decision == Decision.CHOOSE and (rank is None or rank == 1):
        errors["candidate"] = "Name the candidate to choose: any rank but 1, which is 'accept'."
    elif proposal.decision not in NAMES_A_STRUCTURE and proposal.candidate is not None:
        errors["candidate"] = f"The decision {proposal.decision!r} names no candidate. Leave it out."
    if proposal.decision == Decision.PROPOSE:
        if proposal.candidate is not None:
            errors["candidate"] = "A structure of your own is no candidate. Leave the candidate out."
        if canonical_smiles(proposal.proposed_smiles) is None:
            errors["proposed_smiles"] = "Not a structure that can be read. Give one valid SMILES."
    elif proposal.proposed_smiles:
        errors["proposed_smiles"] = "Only the decision 'propose' takes a structure of your own."
    return errors


def _reference_errors(proposal: Proposal) -> dict[str, str]:
    if not proposal.as_reference:
        return {}
    if proposal.decision not in NAMES_A_STRUCTURE or proposal.level not in REFERENCE_LEVELS:
        return {
            "as_reference": "Only a structure at level 1, 2a or 2b makes a reference. Give the level "
            "with its evidence, or leave this out."
        }
    return {}


def _level_errors(proposal: Proposal) -> dict[str, str]:
    level, reason = proposal.level, proposal.reason
    if level and level not in Level.values:
        return {"level": f"Must be one of {', '.join(Level.values)}."}
    if proposal.decision not in NAMES_A_STRUCTURE:
        if level and level not in (Level.L4, Level.L5):
            return {
                "level": "Without a structure only level 4 (formula), 5 (exact mass) or none can be given."
            }
        return {}
    if level == Level.L1 and not (STANDARD.search(reason) and RETENTION_TIME.search(reason)):
        return {
            "reason": "Level 1 needs a reference standard and its retention time: name both in the reason."
        }
    if level == Level.L2A and not REFERENCE_ID.search(reason):
        return {
            "reason": "Level 2a needs the reference spectrum: give its ID (MSBNK-…) or SPLASH in the reason."
        }
    if level == Level.L2B and not reason:
        return {"reason": "Level 2b needs diagnostic evidence: say in the reason which."}
    return {}
