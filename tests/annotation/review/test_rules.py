"""The rules of a valid verdict: fields by decision, evidence by level."""

from __future__ import annotations

from typing import Any

import pytest

from annotation.models import Annotation, Candidate
from annotation.review.rules import InvalidVerdict, Proposal, validate
from tests.annotation.builders import make_annotation

pytestmark = pytest.mark.django_db


@pytest.fixture
def annotation() -> Annotation:
    return make_annotation()


def check(annotation: Annotation, decision: str, **fields: Any) -> Proposal:
    candidates = list(annotation.candidates.select_related("molecule").order_by("rank"))
    defaults = {"level": "", "candidate": None, "proposed_smiles": "", "reason": "", "comment": ""}
    return validate(Proposal(decision=decision, **(defaults | fields)), annotation, candidates)


def invalid_fields(annotation: Annotation, decision: str, **fields: Any) -> set[str]:
    with pytest.raises(InvalidVerdict) as refusal:
        check(annotation, decision, **fields)
    assert all(refusal.value.errors.values())
    return set(refusal.value.errors)


def test_unknown_decision(annotation: Annotation) -> None:
    assert invalid_fields(annotation, "maybe") == {"decision"}


@pytest.mark.parametrize("decision", ["wrong_adduct", "mixture", "insufficient", "reject"])
def test_decisions_against_rank_1_need_a_reason(annotation: Annotation, decision: str) -> None:
    assert invalid_fields(annotation, decision) == {"reason"}
    assert check(annotation, decision, reason=" Because. ").reason == "Because."


def test_without_a_structure_the_level_is_4_or_5(annotation: Annotation) -> None:
    assert invalid_fields(annotation, "mixture", reason="Two.", level="3") == {"level"}
    assert check(annotation, "insufficient", reason="Noise.", level="5").level == "5"


def test_accept_takes_only_rank_1(annotation: Annotation) -> None:
    second = annotation.candidates.get(rank=2)
    assert invalid_fields(annotation, "accept", candidate=second) == {"candidate"}


def test_accept_needs_a_candidate(annotation: Annotation) -> None:
    annotation.candidates.all().delete()
    assert invalid_fields(annotation, "accept") == {"candidate"}


@pytest.mark.parametrize("rank", [None, 1])
def test_choose_needs_another_rank(annotation: Annotation, rank: int | None) -> None:
    candidate = annotation.candidates.get(rank=rank) if rank else None
    assert invalid_fields(annotation, "choose", candidate=candidate, reason="Fits.") == {"candidate"}


def test_the_candidate_must_belong_to_the_annotation(annotation: Annotation) -> None:
    other: Candidate = make_annotation().candidates.get(rank=2)
    assert invalid_fields(annotation, "choose", candidate=other, reason="Fits.") == {"candidate"}


def test_a_proposed_structure_must_be_valid(annotation: Annotation) -> None:
    assert invalid_fields(annotation, "propose", reason="Fits.", proposed_smiles="C1CC") == {
        "proposed_smiles"
    }
    assert invalid_fields(annotation, "propose", reason="Fits.") == {"proposed_smiles"}
    assert invalid_fields(annotation, "propose", reason="Fits.", proposed_smiles="C" * 20_000) == {
        "proposed_smiles"
    }
    assert check(annotation, "propose", reason="Fits.", proposed_smiles=" CCO ").proposed_smiles == "CCO"


def test_only_propose_takes_a_structure(annotation: Annotation) -> None:
    assert invalid_fields(annotation, "accept", proposed_smiles="CCO") == {"proposed_smiles"}


@pytest.mark.parametrize(
    ("level", "insufficient", "sufficient"),
    [
        ("1", "I am sure.", "Matches our standard of lot 5, RT 4.31 min both times."),
        ("1", "Standard measured.", "Reference standards agree in retention time."),
        ("2a", "The library says so.", "Cosine 0.93 to MSBNK-Eawag-EA000405."),
        ("2b", "", "m/z 138.0 is diagnostic of the acetyl loss."),
    ],
)
def test_a_level_needs_its_evidence(
    annotation: Annotation, level: str, insufficient: str, sufficient: str
) -> None:
    assert invalid_fields(annotation, "accept", level=level, reason=insufficient) == {"reason"}
    assert check(annotation, "accept", level=level, reason=sufficient).level == level


def test_unknown_level(annotation: Annotation) -> None:
    assert invalid_fields(annotation, "accept", level="0") == {"level"}


@pytest.mark.parametrize("text", ["nul \x00", "half \ud800", "x" * 10_001])
def test_text_that_cannot_be_stored(annotation: Annotation, text: str) -> None:
    assert invalid_fields(annotation, "accept", comment=text) == {"comment"}
