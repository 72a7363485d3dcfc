"""Each format holds every feature of the job, read back by an independent reader of the format."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import networkx
import openpyxl
import pytest
from django.http import QueryDict
from pyteomics import mgf, mztab
from rdkit import Chem

from annotation.exports import ledger
from annotation.exports.actions import request_export
from annotation.exports.build import build_next
from annotation.exports.contents import EXPORT_COLUMNS
from annotation.exports.formats import excel
from annotation.exports.formats.mztab_m import SME_COLUMNS
from annotation.exports.selection import filter_text
from annotation.models import Export, Job
from annotation.web.spectra_table import spectra_table
from tests.annotation.builders import add_candidate, make_job
from tests.annotation.exports.building import built, mixed_job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_test_transaction")]
STATES = ["done", "unusable", "pending", "no_match", "done"]


@pytest.fixture
def job() -> Job:
    job = mixed_job()
    job.items.filter(position=1).update(state="unusable")
    return job


def table(path: Path, **options: Any) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream, **options))


def test_csv_and_tsv_hold_the_same_rows(job: Job) -> None:
    export, path = built(job, "csv", top=3)
    rows = table(path)
    assert [row["state"] for row in rows if row["rank"] in ("", "1")] == STATES
    assert list(rows[0]) == list(EXPORT_COLUMNS)
    assert (export.n_features, export.n_rows) == (5, len(rows))
    tsv = table(built(job, "tsv", top=3)[1], delimiter="\t")
    assert [row["smiles"] for row in tsv] == [row["smiles"] for row in rows]
    assert {rows[1]["error"], tsv[-4]["error"], *(row["error"] for row in tsv)} >= {"'=1+1|calc", ""}


@pytest.mark.parametrize("format", ["csv", "json", "mztab", "graphml"])
@pytest.mark.parametrize("query", ["state=done", "smarts=c1ccccc1&sort=-right&page=2", "mz_from=900"])
def test_an_export_has_the_features_of_the_filtered_screen(job: Job, query: str, format: str) -> None:
    on_screen = spectra_table(job, QueryDict(query))
    positions = [row.item.position for row in on_screen.rows]
    export, path = built(job, format, filter_query=filter_text(QueryDict(query)))
    assert export.n_features == len(positions)
    assert "page" not in export.filter
    if format == "csv":
        assert [int(row["position"]) for row in table(path)] == sorted(positions)


def test_ties_at_the_last_rank_come_besides(job: Job) -> None:
    fused, old = job.annotations.order_by("item__position")
    last = fused.candidates.get(rank=5)
    add_candidate(fused, probability=last.probability)
    add_candidate(fused, probability=0.001)
    for _ in range(2):
        add_candidate(old)
    rows = table(built(job, "csv", top=5)[1])
    ranks = [(row["rank"], row["n_tied"]) for row in rows if row["position"] == "0"]
    assert ranks == [("1", "0"), ("2", "0"), ("3", "0"), ("4", "0"), ("5", "1"), ("6", "1")]
    assert {row["margin"] for row in rows if row["state"] == "done"} == {"0.1"}
    assert len([row for row in rows if row["position"] == "4"]) == 5
    rows = table(built(job, "csv", top=6)[1])
    ranks = [(row["rank"], row["n_tied"]) for row in rows if row["position"] == "4"]
    assert ranks[4:] == [("5", "0"), ("6", "1"), ("7", "1")]


def test_excel_has_numbers_as_numbers_and_no_formula(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "MAX_CHARACTERS", 40)
    book = openpyxl.load_workbook(built(job, "xlsx")[1])
    header, *rows = list(book["Results"].iter_rows())
    column = {cell.value: index for index, cell in enumerate(header)}
    assert [row[column["state"]].value for row in rows] == STATES
    assert isinstance(rows[0][column["precursor_mz"]].value, float)
    assert rows[1][column["error"]].value == "=1+1|calc"
    assert {cell.data_type for row in rows for cell in row} <= {"s", "n", "b"}
    facts = {row[0].value: row[1].value for row in book["About"].iter_rows()}
    assert facts["n_features"] == 5
    assert facts["cells_cut"] > 0
    assert rows[0][column["checkpoint_sha256"]].value.endswith(excel.CUT)


def test_too_many_rows_for_a_sheet_fail_with_advice(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "MAX_ROWS", 3)
    export = request_export(job=job, user=job.submitted_by, format="xlsx")
    assert build_next(worker="test")
    export.refresh_from_db()
    assert export.state == Export.State.FAILED
    assert "CSV" in export.error
    assert not list(ledger.path_of(ledger.FOLDER).glob(f"{export.public_id.hex}*"))


def test_sdf_has_a_record_for_each_row(job: Job) -> None:
    job.items.filter(position=1).update(error="$$$$ \n\n>  <smiles>")
    export, path = built(job, "sdf", top=2)
    records = list(Chem.SDMolSupplier(str(path), sanitize=True))
    assert len(records) == export.n_rows == 7
    first = records[0]
    assert Chem.MolToSmiles(first) == Chem.CanonSmiles(first.GetProp("smiles"))
    assert [record.GetNumAtoms() > 0 for record in records] == [True, True, False, False, False, True, True]
    assert records[2].GetProp("state") == "unusable"


def test_json_and_ndjson_are_complete(job: Job) -> None:
    document = json.loads(built(job, "json", top=2)[1].read_text())
    assert [feature["state"] for feature in document["features"]] == STATES
    assert document["export"]["library"] == job.library_version.library.name
    lines = [json.loads(line) for line in built(job, "ndjson", top=2)[1].read_text().splitlines()]
    assert [line["candidates"] for line in lines] == [item["candidates"] for item in document["features"]]
    assert {line["snapshot_id"] for line in lines} == {document["export"]["snapshot_id"]}
    assert all(line["checkpoint_sha256"] == job.model_version.checkpoint_sha256 for line in lines)


def test_mgf_has_the_raw_peaks_and_the_answer(job: Job) -> None:
    with mgf.read(str(built(job, "mgf", top=2)[1])) as reader:
        blocks = list(reader)
    assert [block["params"]["result_state"] for block in blocks] == STATES
    spectrum = job.items.get(position=0).spectrum
    assert blocks[0]["m/z array"].tolist() == spectrum.mz.tolist()
    assert blocks[0]["params"]["result_rank_2_smiles"]
    assert "smiles" not in blocks[0]["params"]


def test_graphml_is_a_network_of_all_features(job: Job) -> None:
    network = networkx.read_graphml(built(job, "graphml")[1])
    assert sorted(network.nodes) == [f"n{position}" for position in range(5)]
    assert {data["state"] for _, data in network.nodes(data=True)} == set(STATES)
    assert all(0.7 <= data["similarity"] <= 1 for _, _, data in network.edges(data=True))
    assert network.number_of_edges() == 10  # all spectra of the job are equal


# mzTab-M 2.0: what a field may not leave out. From the specification, sections 6.2 to 6.5.
MANDATORY = [
    "mzTab-version", "mzTab-ID", "software[1]", "quantification_method", "ms_run[1]-location",
    "ms_run[1]-scan_polarity[1]", "assay[1]", "assay[1]-ms_run_ref", "study_variable[1]",
    "study_variable[1]-assay_refs", "study_variable[1]-description", "cv[1]-label", "cv[1]-full_name",
    "cv[1]-version", "cv[1]-uri", "database[1]", "database[1]-prefix", "database[1]-version",
    "database[1]-uri", "small_molecule-quantification_unit", "small_molecule_feature-quantification_unit",
    "id_confidence_measure[1]",
]  # fmt: skip
NOT_NULL = {
    "SML": ["SML_ID", "reliability"],
    "SMF": ["SMF_ID", "exp_mass_to_charge", "charge"],
    "SME": [
        "SME_ID", "evidence_input_id", "database_identifier", "exp_mass_to_charge", "charge",
        "theoretical_mass_to_charge", "spectra_ref", "identification_method", "ms_level", "rank",
    ],
}  # fmt: skip
PARAMETER = re.compile(r"^\[[^,\[\]]*, ?[^,\[\]]*, ?[^,\[\]]+, ?[^\[\]]*\]$")


def sections(path: Path) -> tuple[dict[str, str], dict[str, list[dict[str, str]]]]:
    """The metadata, and the rows of each table by column. Written by hand from the specification."""
    metadata: dict[str, str] = {}
    tables: dict[str, list[dict[str, str]]] = {"SML": [], "SMF": [], "SME": []}
    headers: dict[str, list[str]] = {}
    order: list[str] = []
    for line in path.read_text().splitlines():
        if not line:
            continue
        prefix, *cells = line.split("\t")
        order.append(prefix)
        if prefix == "MTD":
            name, value = cells
            metadata[name] = value
        elif prefix in ("SMH", "SFH", "SEH"):
            headers[{"SMH": "SML", "SFH": "SMF", "SEH": "SME"}[prefix]] = cells
        else:
            tables[prefix].append(dict(zip(headers[prefix], cells, strict=True)))
    ranks = [("MTD", "SMH", "SML", "SFH", "SMF", "SEH", "SME").index(prefix) for prefix in order]
    assert ranks == sorted(ranks)
    return metadata, tables


@pytest.fixture
def mztab_file(job: Job) -> Path:
    return built(job, "mztab", top=2)[1]


def test_mztab_has_every_mandatory_field(mztab_file: Path) -> None:
    metadata, tables = sections(mztab_file)
    assert metadata["mzTab-version"] == "2.0.0-M"
    assert [name for name in MANDATORY if not metadata.get(name)] == []
    for name in ("software[1]", "quantification_method", "database[1]", "id_confidence_measure[1]"):
        assert PARAMETER.match(metadata[name]), metadata[name]
    for name, columns in NOT_NULL.items():
        assert tables[name], name
        for row in tables[name]:
            assert "" not in row.values()
            assert [column for column in columns if row[column] == "null"] == []


def test_mztab_references_and_levels_fit(mztab_file: Path, job: Job) -> None:
    metadata, tables = sections(mztab_file)
    features = {row["SMF_ID"]: row for row in tables["SMF"]}
    evidence = {row["SME_ID"]: row for row in tables["SME"]}
    assert len(features) == len(tables["SML"]) == job.items.count()
    assert [row["opt_global_state"] for row in tables["SML"]] == STATES
    assert [row["reliability"] for row in tables["SML"]] == ["3", "5", "5", "5", "3"]
    for row in tables["SML"]:
        assert row["SMF_ID_REFS"] in features
    for row in features.values():
        refs = [] if row["SME_ID_REFS"] == "null" else row["SME_ID_REFS"].split("|")
        assert set(refs) <= set(evidence)
        assert (row["SME_ID_REF_ambiguity_code"] == "1") == (len(refs) > 1)
    for row in evidence.values():
        assert row["database_identifier"].startswith(metadata["database[1]-prefix"] + ":")
        assert re.fullmatch(r"ms_run\[1\]:index=\d+", row["spectra_ref"])
        error = float(row["exp_mass_to_charge"]) / float(row["theoretical_mass_to_charge"]) - 1
        assert abs(error) < 20_000e-6
    assert [tables["SMF"][0][f"abundance_assay[{n}]"] for n in (1, 2)] == ["1000000.0", "12.5"]
    assert metadata["assay[1]"] == "a.mzML"


def test_an_independent_reader_reads_mztab(mztab_file: Path) -> None:
    read = mztab.MzTab(str(mztab_file), table_format="dict")
    assert read.variant == "M"
    summary, features, evidence = (
        table["rows"]
        for table in (
            read.small_molecule_table,
            read.small_molecule_feature_table,
            read.small_molecule_evidence_table,
        )
    )
    assert (len(summary), len(features), len(evidence)) == (5, 5, 4)
    assert list(evidence[0])[: len(SME_COLUMNS)] == list(SME_COLUMNS)
    assert summary[0]["smiles"] == evidence[0]["smiles"]


def test_a_job_without_candidates_has_no_evidence_table() -> None:
    _, tables = sections(built(make_job(2), "mztab")[1])
    assert (len(tables["SML"]), tables["SME"]) == (2, [])
