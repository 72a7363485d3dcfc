"""The table of a job: all spectra, each row complete, and no cell that a spreadsheet program runs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from annotation.exports import table as export
from annotation.exports.columns import CANDIDATE_COLUMNS, COLUMNS, JOB_COLUMNS, RELEASE_0_1
from annotation.exports.csv_text import csv_cell, csv_lines
from annotation.exports.table import csv_name, rows, stream_csv, write_csv, write_json
from annotation.models import Job, JobItem
from annotation.review.actions import decide
from tests.annotation.builders import (
    add_candidate,
    make_annotation,
    make_job,
    make_spectrum,
    make_upload,
    make_user,
)

pytestmark = pytest.mark.django_db


def table(job: Job, top: int = 1) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(stream_csv(job, top=top)), newline="")))


@pytest.fixture
def job() -> Job:
    """Annotated, failed, pending, cancelled, and done without any candidate."""
    job = make_job(5, user=make_user("submitter", is_superuser=True))
    make_annotation(job.items.get(position=0))
    states = JobItem.State
    job.items.filter(position=1).update(state=states.FAILED, error_code="no_adduct", error="No adduct.")
    job.items.filter(position=3).update(state=states.CANCELLED)
    make_annotation(job.items.get(position=4), n_candidates=0).candidates.all().delete()
    return job


def test_every_spectrum_has_a_row(job: Job) -> None:
    found = table(job)
    assert [(row["position"], row["state"], row["rank"]) for row in found] == [
        ("0", "done", "1"),
        ("1", "failed", ""),
        ("2", "pending", ""),
        ("3", "cancelled", ""),
        ("4", "done", ""),
    ]
    assert (found[1]["error_code"], found[1]["error"]) == ("no_adduct", "No adduct.")
    assert found[4]["n_candidates"] == "0"


def test_top_sets_the_number_of_ranks(job: Job) -> None:
    ranks = [row["rank"] for row in table(job, top=3) if row["position"] == "0"]
    assert ranks == ["1", "2", "3"]


def test_every_row_carries_its_provenance(job: Job) -> None:
    for row in table(job):
        assert row["library"] == job.library_version.library.name
        assert row["library_version"] == str(job.library_version.number)
        assert row["checkpoint_sha256"] == job.model_version.checkpoint_sha256
        assert row["splash"].startswith("splash10-")
    assert {row["code_version"] for row in table(job) if row["annotation_id"]} == {"0.1.0"}


def test_numbers_keep_their_full_precision(job: Job) -> None:
    first = table(job)[0]
    candidate = job.annotations.get(item__position=0).candidates.select_related("molecule").get(rank=1)
    assert float(first["embedding_similarity"]) == candidate.embedding_similarity
    assert float(first["exact_mass"]) == candidate.molecule.exact_mass


def test_confidence_evidence_and_proposals_are_in_the_table(job: Job) -> None:
    fused = make_annotation(make_job(1).items.get(), fused=True)
    (row,) = table(fused.job)
    assert (row["method"], row["p_right"], row["abstains"], row["probability"]) == (
        "fused", "0.62", "false", "0.62"
    )  # fmt: skip
    assert json.loads(row["evidence"]) == {"fingerprint": 2.0, "fragments": 0.5}
    assert row["proposed_smiles"] == "CC(=O)Oc1cccc(C(=O)O)c1"
    old = table(job)[0]  # values that the method does not give are empty, not 0
    assert (old["method"], old["p_right"], old["probability"], old["evidence"], old["abstains"]) == (
        "glmr", "", "", "", ""
    )  # fmt: skip


def test_in_json_evidence_is_an_object_and_proposals_a_list(tmp_path: Path) -> None:
    fused = make_annotation(fused=True)
    write_json(fused.job, tmp_path / "results.json")
    (spectrum,) = json.loads((tmp_path / "results.json").read_text())["spectra"]
    assert (spectrum["p_right"], spectrum["abstains"]) == (0.62, False)
    assert spectrum["proposed_smiles"] == ["CC(=O)Oc1cccc(C(=O)O)c1"]
    (best,) = spectrum["candidates"]
    assert (best["probability"], best["evidence"]["fingerprint"]) == (0.62, 2.0)


def test_the_latest_verdict_is_carried(job: Job) -> None:
    annotation = job.annotations.get(item__position=0)
    curator = job.submitted_by
    seen = decide(annotation=annotation, user=curator, decision="accept", seen_verdict_id=None)
    second = annotation.candidates.get(rank=2)
    decide(
        annotation=annotation,
        user=curator,
        decision="choose",
        candidate=second,
        reason="m/z 121\nfits, clearly",
        comment='He said "yes"',
        seen_verdict_id=seen.pk,
    )
    first = table(job)[0]
    assert (first["verdict_decision"], first["verdict_level"], first["verdict_by"]) == (
        "choose",
        "3",
        "submitter",
    )
    assert first["verdict_smiles"] == second.molecule.smiles
    assert first["verdict_reason"] == "m/z 121\nfits, clearly"
    assert first["verdict_comment"] == 'He said "yes"'


def test_rounds_lose_no_row(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    all_rows = list(rows(job, top=3))
    monkeypatch.setattr(export, "SPECTRA_PER_ROUND", 2)
    assert list(rows(job, top=3)) == all_rows


def test_the_number_of_queries_grows_only_with_rounds() -> None:
    job = make_job(8)
    for item in job.items.all():
        make_annotation(item)
    job = Job.objects.select_related("submitted_by", "library_version__library", "model_version").get()
    with CaptureQueriesContext(connection) as captured:
        assert len(list(rows(job))) == 8
    assert len(captured) == 6  # items, verdicts, candidates, names, formulas, proposed molecules


def test_no_cell_is_a_formula() -> None:
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "plain", "C-C", ""]
    upload = make_upload()
    job = make_job(spectra=[make_spectrum(upload, title=text) for text in texts])
    titles = [row["title"] for row in table(job)]
    assert titles == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "plain", "C-C", ""]


@given(st.text())
def test_text_is_never_a_formula_and_keeps_its_characters(text: str) -> None:
    cell = csv_cell(text)
    assert cell[:1] not in tuple("=+-@\t\r\n")
    assert cell.removeprefix("'") == text.removeprefix("'")


@pytest.mark.parametrize(
    ("value", "cell"),
    [(None, ""), (-1.5, "-1.5"), (1e-7, "1e-07"), (True, "true"), (False, "false"), (-3, "-3")],
)
def test_numbers_stay_numbers(value: Any, cell: str) -> None:
    assert csv_cell(value) == cell


def test_column_names_are_unique() -> None:
    assert len(set(COLUMNS)) == len(COLUMNS)
    assert {column.name for column in (*CANDIDATE_COLUMNS, *JOB_COLUMNS)} < set(COLUMNS)


def test_new_columns_follow_those_of_release_0_1() -> None:
    assert COLUMNS[: len(RELEASE_0_1)] == RELEASE_0_1


def test_every_column_is_in_the_documentation() -> None:
    page = (settings.BASE_DIR / "docs" / "reference" / "export-columns.md").read_text(encoding="utf-8")
    assert [name for name in COLUMNS if f"| `{name}` |" not in page] == []


def test_evidence_has_the_current_channel_names(job: Job) -> None:
    annotation = job.annotations.get(item__position=4)
    add_candidate(annotation, evidence={"explained": 0.25})
    assert table(job)[4]["evidence"] == '{"fragment_coverage": 0.25}'


def test_every_csv_has_the_same_guard() -> None:
    (text,) = csv_lines(["name"], [["=1+1"], [None], [-1]])
    assert text == 'name\r\n\'=1+1\r\n""\r\n-1\r\n'


def test_a_file_counts_spectra_not_rows(job: Job, tmp_path: Path) -> None:
    assert write_csv(job, tmp_path / "results.csv", top=3) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]


@pytest.mark.parametrize("name", ["../../etc/passwd", 'a"b\r\nX: y', "Überlauf № 7", "", "x" * 200])
def test_the_file_name_is_valid_everywhere(name: str) -> None:
    file_name = csv_name(make_job(0, name=name))
    assert file_name.endswith(".csv")
    assert not set(file_name) & set('/\\"\r\n ')
    assert len(file_name) < 80
