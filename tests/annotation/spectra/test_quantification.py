"""A quantification table beside an MGF: recognised by content, paired by name, kept with the features."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.models import Upload
from annotation.spectra.ingest import preflight, store_upload
from annotation.spectra.quantification import is_table, pair_tables
from tests.annotation.builders import make_project, make_user
from tests.annotation.spectra.test_features import LABELLED

HEADER = "row ID,row m/z,row retention time,A.mzML Peak area,B.mzML Peak area,"
TABLE = f"{HEADER}\n7,181.0495,1.025,1200.5,0,\n8,195.0877,1.4,,880,\n99,200.1,2,5,6,\n"


def file(name: str, text: str = "") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text.encode())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TABLE, True),
        ("\ufeff" + TABLE.replace(",", ";"), True),
        (LABELLED, False),
        ("SMILES,ID,Name\nCCO,1,a\n", False),
        ("", False),
        ("row ID,row m/z\0,", False),
        ("row ID,row m/z," * 50_000, False),  # one line without an end
    ],
)
def test_a_table_is_recognised_by_its_heading(text: str, expected: bool) -> None:
    table = file("x.csv", text)
    assert is_table(table) is expected
    assert table.tell() == 0


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["a.mgf", "other.csv"], [("a.mgf", "other.csv")]),
        (["other.csv", "a.mgf"], [("a.mgf", "other.csv")]),
        (["a.mgf", "ab.mgf", "ab_quant.csv"], [("a.mgf", None), ("ab.mgf", "ab_quant.csv")]),
        (["a.mgf", "b.mgf", "c.csv"], [("a.mgf", None), ("b.mgf", None), ("c.csv", None)]),
        (["a.mgf", "a1.csv", "a2.csv"], [("a.mgf", "a1.csv"), ("a2.csv", None)]),
        (["a.csv"], [("a.csv", None)]),
        (["a.mgf", "b.mgf"], [("a.mgf", None), ("b.mgf", None)]),
    ],
)
def test_tables_are_paired_by_name(names: list[str], pairs: list[tuple[str, str | None]]) -> None:
    files = [file(name, TABLE if name.endswith(".csv") else LABELLED) for name in names]
    found = [(spectra.name, table.name if table else None) for spectra, table in pair_tables(files)]
    assert found == pairs


def store(table: str, name: str = "run_quant.csv") -> Upload:
    return store_upload(
        make_project(), make_user(), file("run.mgf", LABELLED), "run.mgf", quantities=file(name, table)
    )


@pytest.mark.django_db
def test_the_columns_are_kept_with_the_features() -> None:
    upload = store(TABLE)
    assert (upload.state, upload.n_features, upload.n_repaired) == ("ready", 2, 0)
    first, second = upload.features.order_by("number")
    assert first.quantities["A.mzML Peak area"] == "1200.5"
    assert second.quantities == {
        "row m/z": "195.0877", "row retention time": "1.4", "B.mzML Peak area": "880"
    }  # fmt: skip
    issue = upload.issues.get()
    assert (issue.code, issue.source_index) == ("quantities_read", -1)
    assert "run_quant.csv has 3 rows. 2 belong to features" in issue.reason
    report = preflight(file("run.mgf", LABELLED), quantities=file("run_quant.csv", TABLE))
    assert (report.features, [item.code for item in report.issues]) == (2, ["quantities_read"])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("table", "code"),
    [
        (f"{HEADER}\n7,181.0495\n", "bad_quantities"),
        (f"{HEADER}\n7,181,1,1,1,\n7,181,1,1,1,\n", "bad_quantities"),
        (f"{HEADER}\n70,181,1,1,1,\n", "quantities_unused"),
        (f"{HEADER}\n", "quantities_unused"),
    ],
)
def test_a_table_that_cannot_be_used_costs_only_its_columns(table: str, code: str) -> None:
    upload = store(table)
    assert (upload.state, upload.n_usable) == ("ready", 3)
    issue = upload.issues.get()
    assert (issue.code, bool(issue.remedy)) == (code, True)
    assert all(feature.quantities == {} for feature in upload.features.all())


@pytest.mark.django_db
def test_a_table_alone_is_refused_by_name() -> None:
    upload = store_upload(make_project(), make_user(), file("a.csv", TABLE), "a.csv")
    assert upload.state == "refused"
    assert "quantification table" in upload.refusal


@pytest.mark.django_db
def test_a_table_needs_no_further_query() -> None:
    counts = []
    for quantities in (None, file("run_quant.csv", TABLE)):
        project, user = make_project(), make_user()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            store_upload(project, user, file("run.mgf", LABELLED), "run.mgf", quantities=quantities)
        counts.append(len(queries))
    assert counts[1] <= counts[0] + 1  # the line of the report
