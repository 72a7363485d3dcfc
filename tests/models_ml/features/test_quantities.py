"""The quantification table of mzmine."""

from __future__ import annotations

import pytest

from models_ml.features.group import FeatureGroup
from models_ml.features.quantities import BadQuantities, attach_quantities, is_quantities, read_quantities

HEADER = "row ID,row m/z,row retention time,a.mzML Peak area,\n"


def test_reads_rows_by_label() -> None:
    table = read_quantities([HEADER, "7,165.05,1.2,1000.5,\n", "\n", "9,200.1,2.0,,\n"])
    assert table["7"] == {"row m/z": "165.05", "row retention time": "1.2", "a.mzML Peak area": "1000.5"}
    assert "a.mzML Peak area" not in table["9"]
    groups = [FeatureGroup((0,), "file", "", 0, label="7"), FeatureGroup((1,), "single", "", 1)]
    attached, unused = attach_quantities(groups, table)
    assert attached[0].quantities["row m/z"] == "165.05"
    assert attached[1].quantities == {}
    assert unused == 1


def test_detects_by_header_names() -> None:
    assert is_quantities(HEADER)
    assert is_quantities("row ID;row m/z;a Peak area")
    assert not is_quantities("smiles,name,id")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["smiles,name\n"], "Line 1 names no ID"),
        ([HEADER, "7,1,1,1,\n", "7,1,1,1,\n"], "Line 3 repeats"),
        ([HEADER, "7,1\n"], "Line 2 has 2 cells"),
        ([HEADER, ",1,1,1,\n"], "Line 2 has no row ID"),
        (["row ID,row m/z,a,a\n"], "repeats the column 'a'"),
    ],
)
def test_refuses_with_the_line(lines: list[str], message: str) -> None:
    with pytest.raises(BadQuantities, match=message):
        read_quantities(lines)
