"""Results are recorded once, completely, and only for items that the worker still holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.jobs import actions, ledger, parameters
from annotation.jobs.ledger import Batch
from annotation.jobs.progress import progress
from annotation.models import Annotation, Candidate, GeneratedMolecule, Job, JobItem, Molecule
from annotation.results import record
from annotation.results.record import Provenance, Recorded
from models_ml.outcomes import (
    Annotated,
    AnnotateParams,
    CannotAnnotate,
    Confidence,
    FormulaCandidate,
    NoMatch,
    Outcome,
    RankedCandidate,
)
from models_ml.outcomes import GeneratedMolecule as Generated
from tests.annotation.builders import SMILES, make_job

pytestmark = pytest.mark.django_db

PROVENANCE = Provenance(
    code_version="0.1.0",
    rdkit_version="2026.9.1",
    torch_version="2.13.0",
    preprocessing_version="1",
    device="cpu",
    worker="w",
)


def claimed(lease_s: float | None = None) -> Batch:
    batch = ledger.claim(limit=10, worker="w", lease_s=lease_s)
    assert batch is not None
    return batch


def annotated(*similarities: float | None) -> Annotated:
    """The molecules of the builders' library, ranked, with these similarities to the generated molecules."""
    candidates = tuple(
        RankedCandidate(
            rank=rank,
            key=molecule.pk,
            smiles=molecule.smiles,
            inchikey_first_block=molecule.inchikey_first_block,
            formula=molecule.formula,
            exact_mass=molecule.exact_mass,
            mass_error_ppm=1.5,
            retrieval_rank=rank,
            embedding_similarity=1 - rank / 10,
            generated_similarity=similarity,
        )
        for rank, (molecule, similarity) in enumerate(
            zip(Molecule.objects.order_by("pk"), similarities, strict=False), 1
        )
    )
    generated = (
        Generated(1, "CC(=O)O", -1.5, SMILES[0], "BSYNRYMUTXBXSQ", "C9H8O4", 180.0423, 0.5, in_library=True),
        Generated(2, "CCO", -2.5, "CCO", "LFQSCWFLJHTTHZ", "C2H6O", 46.0419, 9.9),
        Generated(3, "C1CC", -3.5),
    )
    return Annotated(
        adduct="[M+H]+",
        adduct_assumed=False,
        neutral_mass=180.0423,
        n_in_window=3,
        candidates=candidates,
        generated=generated,
        timings_s={"embed": 0.01},
    )


def test_a_batch_is_recorded_with_candidates_generated_molecules_and_the_end_of_its_job() -> None:
    job = make_job(n_spectra=2)
    batch = claimed()

    recorded = record.finish(
        batch, [annotated(0.9, 0.7), CannotAnnotate("no_precursor", "No precursor m/z.")], PROVENANCE
    )

    assert recorded == Recorded(done=1, no_match=0, unusable=1, lost=0)
    annotation = Annotation.objects.get(job=job)
    assert annotation.margin == pytest.approx(0.2)
    assert annotation.top_molecule_id == annotation.candidates.get(rank=1).molecule_id
    assert (annotation.worker, annotation.attempt, annotation.proposed_level) == ("w", 1, "3")
    in_library = annotation.generated.values_list("text", "in_library")
    assert list(in_library) == [("CC(=O)O", True), ("CCO", False), ("C1CC", False)]
    unusable = job.items.get(state="unusable")
    assert (unusable.error_code, unusable.error) == ("no_precursor", "No precursor m/z.")
    job.refresh_from_db()
    assert job.state == Job.State.DONE


def test_without_a_valid_generated_molecule_the_margin_comes_from_the_embedding() -> None:
    make_job(n_spectra=1)

    record.finish(claimed(), [annotated(None, None)], PROVENANCE)

    assert Annotation.objects.get().margin == pytest.approx(0.1)


def fused(*probabilities: float) -> Annotated:
    """Like `annotated`, with method fused. The second generated molecule is proposed."""
    plain = annotated(*(0.5 for _ in probabilities))
    evidence = {"fingerprint": 2.5, "analogs": float("nan")}
    return replace(
        plain,
        candidates=tuple(
            replace(candidate, probability=probability, evidence=evidence)
            for candidate, probability in zip(plain.candidates, probabilities, strict=True)
        ),
        generated=(
            plain.generated[0],
            replace(plain.generated[1], is_proposed=True),
            plain.generated[2],
        ),
        confidence=Confidence(p_right=0.6, p_close=0.8, p_absent=0.1, abstains=False),
    )


def test_confidence_evidence_and_proposals_are_recorded() -> None:
    make_job(n_spectra=1, params=parameters.to_json(AnnotateParams()))

    record.finish(claimed(), [fused(0.6, 0.25)], PROVENANCE)

    annotation = Annotation.objects.get()
    assert (annotation.method, annotation.abstains) == ("fused", False)
    assert (annotation.p_right, annotation.p_close, annotation.p_absent) == (0.6, 0.8, 0.1)
    assert annotation.margin == pytest.approx(0.35)
    first = annotation.candidates.get(rank=1)
    assert (first.probability, first.evidence) == (
        0.6,
        {"fingerprint": 2.5},
    )  # without the channel that is not a number
    proposed = annotation.generated.filter(is_proposed=True)
    assert list(proposed.values_list("text", flat=True)) == ["CCO"]


def test_the_recorded_method_is_the_one_that_ranked() -> None:
    make_job(n_spectra=1, params=parameters.to_json(AnnotateParams(method="fused")))

    record.finish(claimed(), [annotated(0.9, 0.7)], PROVENANCE)

    annotation = Annotation.objects.get()
    assert (annotation.method, annotation.p_right, annotation.abstains) == ("glmr", None, None)
    assert annotation.candidates.get(rank=1).probability is None


def test_a_stored_job_without_a_method_means_glmr() -> None:
    stored = parameters.to_json(AnnotateParams())
    del stored["method"]
    assert parameters.from_json(stored).method == "glmr"


def no_match(*formulas: FormulaCandidate) -> NoMatch:
    return NoMatch(
        adduct="[M+H]+",
        adduct_assumed=False,
        neutral_mass=180.0423,
        tolerance_da=0.002,
        reason="The library has no molecule of 180.0423 Da.",
        generated=(Generated(1, "CCO", -1.0, smiles="CCO", is_proposed=True),),
        timings_s={"embed": 0.01},
        formulas=formulas,
    )


def formula(probability: float) -> FormulaCandidate:
    return FormulaCandidate(1, "C9H8O4", 0.4, 5, 0.9, None, probability)


@pytest.mark.parametrize(
    ("formulas", "level"),
    [((), "5"), ((formula(0.89),), "5"), ((formula(0.95),), "4")],
    ids=["no formula", "uncertain formula", "unequivocal formula"],
)
def test_no_match_is_recorded_as_an_answer(formulas: tuple[FormulaCandidate, ...], level: str) -> None:
    job = make_job(n_spectra=1)

    recorded = record.finish(claimed(), [no_match(*formulas)], PROVENANCE)

    assert recorded == Recorded(done=0, no_match=1, unusable=0, lost=0)
    item = job.items.get()
    assert (item.state, item.error_code) == ("no_match", "no_candidates")
    annotation = Annotation.objects.get()
    assert (annotation.proposed_level, annotation.n_candidates, annotation.margin) == (level, 0, None)
    assert [row.formula for row in annotation.formulas.all()] == [row.formula for row in formulas]
    assert annotation.generated.get().is_proposed


def test_a_retry_leaves_what_is_no_technical_failure() -> None:
    job = make_job(n_spectra=3)
    outcomes: list[Outcome] = [no_match(), CannotAnnotate("no_adduct", "No adduct."), annotated(0.9)]
    record.finish(claimed(), outcomes, PROVENANCE)

    assert actions.retry_failed(job, job.submitted_by) == 0

    assert sorted(job.items.values_list("state", flat=True)) == ["done", "no_match", "unusable"]
    assert progress(Job.objects.get(pk=job.pk)).outcome == "partial"


def test_recording_twice_writes_nothing() -> None:
    make_job(n_spectra=1)
    batch = claimed()
    record.finish(batch, [annotated(0.9, 0.7)], PROVENANCE)

    assert record.finish(batch, [annotated(0.1, 0.0)], PROVENANCE) == Recorded(
        done=0, no_match=0, unusable=0, lost=1
    )

    assert Annotation.objects.get().margin == pytest.approx(0.2)


def test_a_late_worker_writes_nothing() -> None:
    make_job(n_spectra=1)
    late = claimed(lease_s=-1)
    ledger.release_expired()
    current = claimed()

    assert record.finish(late, [annotated(0.9)], PROVENANCE).lost == 1
    assert (Annotation.objects.count(), Candidate.objects.count()) == (0, 0)
    assert record.finish(current, [annotated(0.9)], PROVENANCE).done == 1
    assert GeneratedMolecule.objects.count() == 3


def test_a_crash_while_recording_leaves_the_item_running() -> None:
    job = make_job(n_spectra=1)
    unknown = annotated(0.9)
    unknown = Annotated(
        **{field: getattr(unknown, field) for field in ("adduct", "adduct_assumed", "neutral_mass")},
        n_in_window=1,
        candidates=unknown.candidates * 2,  # rank 1 twice, which the database refuses
        generated=(),
        timings_s={},
    )
    batch = claimed()

    with pytest.raises(Exception, match="one_candidate_per_rank"):
        record.finish(batch, [unknown], PROVENANCE)

    assert (Annotation.objects.count(), job.items.get().state) == (0, "running")


def test_the_number_of_queries_does_not_grow_with_what_has_no_match() -> None:
    counts = []
    for n in (1, 4):
        make_job(n_spectra=n)
        batch = claimed()
        with CaptureQueriesContext(connection) as captured:
            record.finish(batch, [replace(no_match(), reason=f"Reason {i}.") for i in range(n)], PROVENANCE)
        counts.append(len(captured))
        errors = JobItem.objects.filter(pk__in=[item.id for item in batch.items]).values_list(
            "error", flat=True
        )
        assert set(errors) == {f"Reason {i}." for i in range(n)}
    assert counts[0] == counts[1]
